/** Programs that others have written to make load. Skipped where they are not installed; how fast it goes is nobody's concern here. */
import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { HttpServer } from '../../src/http.ts';

const run = promisify(execFile);
const hasProgram = (command: string, ...args: string[]): boolean =>
  spawnSync(command, args, { timeout: 5000 }).error === undefined;
const titled = (title: string, isThere: boolean, what: string): string =>
  isThere ? title : `${title} (skipped: ${what} is not installed)`;
const hasAb = hasProgram('ab', '-V');
const hasWrk = hasProgram('wrk', '-v');

let server: HttpServer;
let answered = 0;
let received = 0;

async function start(): Promise<string> {
  answered = received = 0;
  server = new HttpServer({
    onRequest: (_s, _id, request) => {
      answered++;
      received += request.body.length;
      request.respond(request.path === '/large' ? Buffer.alloc(100_000, 'x') : 'hello');
    },
  });
  const { port } = await server.start('127.0.0.1', 0);
  return `http://127.0.0.1:${port}`;
}

afterEach(async () => {
  await server.stop();
});

describe.skipIf(!hasAb)(titled('ab', hasAb, 'apache2-utils'), () => {
  /** Value of a line of its report. */
  const value = (report: string, name: string): number =>
    Number(new RegExp(`^${name}: +(\\d+)`, 'm').exec(report)?.[1]);

  it.each([
    { title: 'a connection for each request', args: [], path: '/', bytes: 5 },
    { title: 'connections that stay', args: ['-k'], path: '/', bytes: 5 },
    { title: 'large answers', args: ['-k'], path: '/large', bytes: 100_000 },
  ])('gets every answer: $title', async ({ args, path, bytes }) => {
    const url = await start();
    const { stdout } = await run('ab', ['-q', '-n', '1000', '-c', '20', ...args, url + path]);
    expect(value(stdout, 'Complete requests')).toBe(1000);
    expect(value(stdout, 'Failed requests')).toBe(0);
    expect(stdout).not.toContain('Non-2xx responses');
    expect(value(stdout, 'HTML transferred')).toBe(1000 * bytes);
    expect(value(stdout, 'Document Length')).toBe(bytes);
    if (args.includes('-k')) expect(value(stdout, 'Keep-Alive requests')).toBe(1000);
    // It may give up connections that it opened to be busy.
    expect(answered).toBeGreaterThanOrEqual(1000);
  });

  it('sends bodies', async () => {
    const url = await start();
    const { stdout } = await run('ab', [
      '-q',
      '-n',
      '500',
      '-c',
      '10',
      '-k',
      '-p',
      'package.json',
      '-T',
      'a/b',
      `${url}/`,
    ]);
    expect(value(stdout, 'Complete requests')).toBe(500);
    expect(value(stdout, 'Failed requests')).toBe(0);
    expect(received % answered).toBe(0);
    expect(received).toBeGreaterThan(0);
  });
});

describe.skipIf(!hasWrk)(titled('wrk', hasWrk, 'wrk'), () => {
  it.each(['/', '/large'])('gets answers to %s without an error', async (path) => {
    const url = await start();
    const { stdout } = await run('wrk', ['-t', '1', '-c', '20', '-d', '1s', url + path]);
    const [, requests] = /(\d+) requests in/.exec(stdout) ?? [];
    expect(Number(requests)).toBeGreaterThan(0);
    expect(answered).toBeGreaterThanOrEqual(Number(requests));
    expect(stdout).not.toMatch(/Socket errors|Non-2xx/);
    expect(server.httpStats().parseErrors).toBe(0);
  });
});
