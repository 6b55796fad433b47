import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HttpServer } from '../../src/http.ts';

/** Debian's `chromium`, or what `CHROMIUM` names. */
const program = process.env.CHROMIUM ?? '/usr/bin/chromium';
const isThere = existsSync(program);

const page = `<!doctype html><title>Chat</title><script>
  const log = [];
  let socket, echo;
  function connect() {
    socket = new WebSocket(location.href.replace('http', 'ws') + 'chat');
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => log.push('open');
    socket.onmessage = ({ data }) => (typeof data === 'string' ? log.push(data) : (echo = data));
    socket.onclose = ({ code }) => { log.push('close ' + code); setTimeout(connect, 50); };
  }
  connect();
</script>`;

/** A process and all that it has started. */
function familyOf(pid: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc').filter((each) => /^\d+$/.test(each))) {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1');
      parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 4).split(' ')[0]));
    } catch {
      // It ended in between.
    }
  }
  const family = [pid];
  for (const member of family) for (const [child, parent] of parents) if (parent === member) family.push(child);
  return family;
}

describe.skipIf(!isThere)(
  `pages in Chromium (skipped: there is no ${program})`.replace(isThere ? / \(.*/ : '', ''),
  () => {
    let server: HttpServer;
    let url = '';
    /** Each page in a browser of its own, so that one can sleep. */
    const browsers: { browser: Browser; pid: number; page: Page }[] = [];

    beforeAll(async () => {
      server = new HttpServer(
        {
          onRequest: (_server, _id, request) =>
            void request.respond({ headers: { 'Content-Type': 'text/html' }, body: page }),
        },
        { ws: { compression: true, compressionThresholdBytes: 0, pingIntervalMs: 300, pongTimeoutMs: 700 } },
      );
      server.addHub('/chat', {
        onOpen: (sender, connId) => sender.subscribe(connId, 'chat'),
        onMessage(sender, connId, data, isBinary) {
          if (isBinary) sender.send(connId, data);
          else sender.publish('chat', data.toString());
        },
      });
      const { port } = await server.start('127.0.0.1', 0);
      url = `http://127.0.0.1:${port}/`;
      for (let i = 0; i < 2; i++) {
        const launched = await chromium.launchServer({
          executablePath: program,
          args: ['--no-sandbox', '--disable-gpu'],
        });
        const browser = await chromium.connect(launched.wsEndpoint());
        const opened = await browser.newPage();
        await opened.goto(url);
        await opened.waitForFunction('log.includes("open")');
        browsers.push({ browser, pid: launched.process().pid!, page: opened });
        closers.push(() => launched.close());
      }
    }, 60_000);
    const closers: (() => Promise<void>)[] = [];

    afterAll(async () => {
      for (const { browser } of browsers) await browser.close();
      for (const close of closers) await close();
      await server?.stop();
    });

    it('talk to each other, over a compression that the browser asked for', async () => {
      const [one, two] = browsers.map(({ page: each }) => each) as [Page, Page];
      expect(await one.evaluate('socket.extensions')).toContain('permessage-deflate');
      const open = server.getAllConnectionIDs().filter((id) => server.isOpen(id));
      expect(open.map((id) => server.isCompressing(id))).toEqual([true, true]);
      await one.evaluate('socket.send("hello from one")');
      await two.waitForFunction('log.includes("hello from one")');
      await two.evaluate('socket.send("grüße von zwei")');
      await one.waitForFunction('log.includes("grüße von zwei")');
    });

    it('send and get a message of 1 MiB', async () => {
      const one = browsers[0]!.page;
      const check = `(async () => {
      const sent = new Uint8Array(1 << 20).map((_, i) => (i * 2654435761) >>> 24);
      socket.send(sent);
      while (!echo) await new Promise((resolve) => setTimeout(resolve, 10));
      const got = new Uint8Array(echo);
      return got.length === sent.length && got.every((byte, i) => byte === sent[i]);
    })()`;
      expect(await one.evaluate(check)).toBe(true);
    });

    it('sleep, are let go, and come back', async () => {
      const one = browsers[0]!.page;
      const { page: two, pid } = browsers[1]!;
      const before = server.webSocketStats()!.pongTimeouts;
      const family = familyOf(pid);
      for (const member of family) process.kill(member, 'SIGSTOP');
      try {
        // It answers no ping, and is closed; the other one goes on.
        await expect.poll(() => server.webSocketStats()!.pongTimeouts, { timeout: 15_000 }).toBe(before + 1);
        await one.evaluate('socket.send("while two sleeps")');
        await one.waitForFunction('log.includes("while two sleeps")');
        expect(server.getSubscribers('chat')).toHaveLength(1);
      } finally {
        for (const member of family) process.kill(member, 'SIGCONT');
      }
      await two.waitForFunction('log.includes("close 1006") && log.at(-1) === "open"');
      await one.evaluate('socket.send("good morning")');
      await two.waitForFunction('log.includes("good morning")');
      expect(await two.evaluate('log.includes("while two sleeps")')).toBe(false);
    }, 60_000);

    it('freeze as pages in the background do, and get what came meanwhile', async () => {
      const one = browsers[0]!.page;
      const two = browsers[1]!.page;
      const session = await two.context().newCDPSession(two);
      await session.send('Page.setWebLifecycleState', { state: 'frozen' });
      for (let i = 0; i < 5; i++) await one.evaluate(`socket.send("frozen ${i}")`);
      await one.waitForFunction('log.includes("frozen 4")');
      await session.send('Page.setWebLifecycleState', { state: 'active' });
      await two.waitForFunction('log.includes("frozen 4")');
      expect(await two.evaluate('log.filter((line) => line.startsWith("frozen")).length')).toBe(5);
    });
  },
);
