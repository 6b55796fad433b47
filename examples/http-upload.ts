// Uploads: a file as it is, with 100-continue, and a form with a file in it. Run it: npx tsx examples/http-upload.ts
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { HttpAgent, HttpServer } from 'hp-socket/http';

const folder = await mkdtemp(join(tmpdir(), 'hp-socket-upload-'));
const name = join(folder, 'large');
await writeFile(name, Buffer.alloc(5_000_000, 'x'));

const server = new HttpServer(
  {
    async onRequest(_server, _connId, request) {
      if (request.header('authorization') === undefined) return void request.respond({ status: 401 });
      await pipeline(request, createWriteStream(join(folder, 'stored')));
      request.respond({ status: 201, body: request.header('content-type') ?? '' });
    },
  },
  { requestBody: 'stream' },
);
const { port } = await server.start('127.0.0.1', 0);
const url = `http://127.0.0.1:${port}/`;
const agent = new HttpAgent({});
await agent.start();

/** The file, read as the server takes it. */
async function upload(headers: Record<string, string>): Promise<number> {
  let sent = 0;
  async function* pieces() {
    for await (const piece of createReadStream(name)) {
      yield piece as Buffer;
      sent += (piece as Buffer).length; // progress
    }
  }
  const { size } = await stat(name);
  const response = await agent.request(url, {
    method: 'PUT',
    headers: { ...headers, 'Content-Length': String(size), 'Content-Type': 'application/octet-stream' },
    body: pieces(),
    expectContinue: 5000, // what the server refuses is not sent
  });
  console.log(response.status, `${sent} bytes sent`);
  return response.status;
}

const refused = await upload({});
const stored = await upload({ Authorization: 'Basic Og==' });
const { length } = await readFile(join(folder, 'stored'));

// A form: Node's FormData makes its parts.
const form = new FormData();
form.set('comment', 'two parts');
form.set('file', new Blob([await readFile(name)]), 'large');
const encoded = new Response(form);
const response = await agent.request(url, {
  method: 'POST',
  headers: { Authorization: 'Basic Og==', 'Content-Type': encoded.headers.get('content-type')! },
  body: encoded.body!,
});
const isForm = response.text().startsWith('multipart/form-data; boundary=');
const parts = await readFile(join(folder, 'stored'));

await agent.stop();
await server.stop({ drainTimeoutMs: 1000 });
await rm(folder, { recursive: true });
if (refused !== 401 || stored !== 201 || length !== 5_000_000 || !isForm || parts.length < 5_000_000) process.exit(1);
