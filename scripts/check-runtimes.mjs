// Runs the smoke suite, the demonstration and the README's first server under each runtime that is named:
// `node scripts/check-runtimes.mjs node node@26 bun@1.4.5 deno@2.9.6`, after `npm run build`.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { programOf } from './runtime.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const out = `${root}.build/runtimes`;
const tsx = createRequire(import.meta.url).resolve('tsx/cli');
mkdirSync(out, { recursive: true });

const certificates = `${out}/certificates.json`;
const made = spawnSync(process.execPath, [tsx, `${root}test/runtimes/make-certificates.ts`, certificates], {
  stdio: 'inherit',
});
if (made.status !== 0) throw new Error('no certificates were made');

// The first block of the README, on a port of loopback that is free.
const [, block] = /^```ts\n([\s\S]*?)^```$/m.exec(readFileSync(`${root}README.md`, 'utf8'));
const server = `${out}/readme-server.mjs`;
const source = block.replace("'hp-socket'", "'../../dist/index.js'").replace("'0.0.0.0', 5555", "'127.0.0.1', 0");
if (!source.includes("'127.0.0.1', 0")) throw new Error('the first block of the README is another one than it was');
writeFileSync(server, source);

let failures = 0;
for (const runtime of process.argv.slice(2)) {
  const program = programOf(runtime);
  const before = runtime.startsWith('deno') ? ['run', '--allow-all', '--no-check'] : [];
  const knowsTypes = !runtime.startsWith('node');
  console.log(`\n-- ${runtime}: every component`);
  report(runtime, 'smoke suite', run(program, [...before, `${root}test/runtimes/smoke.mjs`, certificates]));
  console.log(`-- ${runtime}: the demonstration`);
  report(
    runtime,
    'demonstration',
    run(program, [...before, ...(knowsTypes ? [] : [tsx]), `${root}demo/main.ts`, ...(knowsTypes ? ['sockets'] : [])]),
  );
  report(runtime, "README's server", (await serves(program, [...before, server])) ? 0 : 1);
}
process.exitCode = failures === 0 ? 0 : 1;

function run(program, args) {
  return spawnSync(program, args, { cwd: root, stdio: 'inherit', timeout: 300_000 }).status;
}

function report(runtime, what, status) {
  if (status !== 0) failures++;
  console.log(`${status === 0 ? 'ok    ' : 'FAILED'} ${runtime}: ${what}`);
}

/** Whether a server started so echoes a package. */
async function serves(program, args) {
  const { TcpPackClient } = await import('../dist/index.js');
  const child = spawn(program, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
  const timer = setTimeout(() => child.kill('SIGKILL'), 30_000);
  const closed = once(child, 'close');
  try {
    const [line] = await Promise.race([once(child.stdout, 'data'), closed.then(() => [''])]);
    const port = Number(/listening on port (\d+)/.exec(String(line))?.[1]);
    let answered;
    const answer = new Promise((resolve) => {
      answered = resolve;
    });
    const client = new TcpPackClient({
      onReceive: (_client, _connId, packet) => answered(String(packet)),
      onClose: () => answered('closed'),
    });
    await client.start('127.0.0.1', port);
    client.send('as the README says');
    const isRight = (await answer) === 'as the README says';
    if (isRight) await client.stop();
    return isRight;
  } catch (error) {
    console.error(error);
    return false;
  } finally {
    child.kill('SIGKILL');
    await closed;
    clearTimeout(timer);
  }
}
