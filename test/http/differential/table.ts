import { type Case, groups, type Peer } from './cases.ts';

const titles: Readonly<Record<string, string>> = {
  framing: 'Where a request ends',
  chunks: 'Chunks',
  hosts: 'Host',
  lines: 'The request line',
  fields: 'Fields',
};

const names: Readonly<Record<Peer, string>> = { node: '`node:http`', nginx: 'nginx', haproxy: 'haproxy' };

const row = ({ name, rfc, ours, differs = [], why = '' }: Case): string =>
  `| ${name} | ${/^\d{4} /.test(rfc) ? rfc : `9112 ${rfc}`} | ${ours.length === 0 ? 'refused' : 'accepted'} | ${differs.map((peer) => names[peer]).join(', ')} | ${why} |`;

/** docs/http-differential.md. */
export function differentialTable(): string {
  const all = Object.values(groups).flat();
  const parts = Object.entries(groups).map(([group, cases]) => {
    const rows = cases.filter(({ differs }) => differs !== undefined).map(row);
    return `## ${titles[group]}\n\n| the request has | RFC | ours | differently | why ours does so |\n|---|---|---|---|---|\n${rows.join('\n')}\n`;
  });
  return `# Where servers disagree about HTTP

${all.length} requests are sent, byte for byte the same, to \`HttpServer\` with its strict policy, to \`node:http\`, and to nginx and haproxy as reverse
proxies (\`test/http/differential\`). What each accepts has to be the same request, with the same length of body; whatever is not the same is in
these tables. Versions of Node, nginx and haproxy differ too: those named may, but need not, understand a request in the other way.

${parts.join('\n')}`;
}
