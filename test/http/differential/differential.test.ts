import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { groups, type Peer } from './cases.ts';
import {
  Cleanups,
  hasHaproxy,
  hasNginx,
  startHaproxy,
  startNginx,
  startNode,
  startOurs,
  titled,
  understoodBy,
} from './peers.ts';
import { differentialTable } from './table.ts';

const cleanups = new Cleanups();
afterAll(() => cleanups.run());

it('the table in the docs is that of the cases', async () => {
  await expect(differentialTable()).toMatchFileSnapshot('../../../docs/http-differential.md');
});

it('every case has a name of its own, and a reason if others differ', () => {
  const all = Object.values(groups).flat();
  expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
  for (const { name, differs, why } of all) expect(differs === undefined, name).toBe(why === undefined);
});

describe('ours', () => {
  let port = 0;
  beforeAll(async () => {
    port = await startOurs(cleanups);
  });
  describe.each(Object.entries(groups))('%s', (_group, cases) => {
    it.each(cases)('$name (RFC $rfc)', async ({ text, ours }) => {
      expect(await understoodBy(port, text)).toEqual(ours);
    });
  });
});

const peers: [Peer, boolean, () => Promise<number>][] = [
  ['node', true, () => startNode(cleanups)],
  ['nginx', hasNginx, async () => startNginx(cleanups, await startNode(cleanups))],
  ['haproxy', hasHaproxy, async () => startHaproxy(cleanups, await startNode(cleanups))],
];

describe.each(peers)('%s', (peer, isThere, start) => {
  it.skipIf(!isThere)(titled('understands the same, but for what is explained', isThere, peer), async () => {
    const port = await start();
    const unexplained: string[] = [];
    for (const { name, text, ours, differs } of Object.values(groups).flat()) {
      if (differs?.includes(peer) === true) continue;
      let understood = await understoodBy(port, text);
      // On a busy machine haproxy sees the FIN before it has looked at a second request, and leaves that out.
      for (let more = 3; more > 0 && understood.join() !== ours.join(); more--)
        understood = await understoodBy(port, text);
      if (understood.join() !== ours.join())
        unexplained.push(`${name}: ours [${ours.join()}], ${peer} [${understood.join()}]`);
    }
    expect(unexplained).toEqual([]);
  });
});
