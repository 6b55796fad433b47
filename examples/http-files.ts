// Files with ranges and conditions, and an upload that is written as it arrives. Run it: npx tsx examples/http-files.ts
import { createWriteStream } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { HttpServer } from 'hp-socket/http';

const folder = await mkdtemp(join(tmpdir(), 'hp-socket-files-'));
await writeFile(join(folder, 'numbers.txt'), '0123456789');

// The names are ours: nothing that a client sends becomes a path.
const downloads = new HttpServer({
  async onMessageComplete(server, connId) {
    const report = await server.sendLocalFile(connId, join(folder, 'numbers.txt'), {
      headers: { 'Content-Type': 'text/plain' },
    });
    if (report === false) server.sendResponse(connId, 404);
  },
});

// The body is read no faster than it is written.
const uploads = new HttpServer(
  {
    async onRequest(_server, _connId, request) {
      await pipeline(request, createWriteStream(join(folder, 'upload')));
      request.respond({ status: 201, body: 'stored' });
    },
  },
  { requestBody: 'stream' },
);

const down = await downloads.start('127.0.0.1', 0);
const up = await uploads.start('127.0.0.1', 0);

const part = await fetch(`http://127.0.0.1:${down.port}/`, { headers: { Range: 'bytes=3-5' } });
const range = `${part.status} ${part.headers.get('content-range')} ${await part.text()}`;
console.log(range);

const stored = await fetch(`http://127.0.0.1:${up.port}/`, { method: 'PUT', body: 'x'.repeat(1_000_000) });
console.log(stored.status, await stored.text());
const { length } = await readFile(join(folder, 'upload'));

await downloads.stop({ drainTimeoutMs: 1000 });
await uploads.stop({ drainTimeoutMs: 1000 });
await rm(folder, { recursive: true });
if (range !== '206 bytes 3-5/10 345' || length !== 1_000_000) process.exit(1);
