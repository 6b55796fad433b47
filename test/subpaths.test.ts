import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const root = new URL('..', import.meta.url).pathname;
let folder = '';

/** Builds a copy of the package of its own, so that no other test's build is in the way. */
beforeAll(async () => {
  await mkdir(join(root, '.build'), { recursive: true });
  folder = await mkdtemp(join(root, '.build', 'subpaths-'));
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  const options = ['-p', join(root, 'tsconfig.build.json'), '--outDir', folder, '--declaration', 'false'];
  await promisify(execFile)(process.execPath, [tsc, ...options]);
}, 180_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

/** What a process has loaded of Node after importing one subpath, and what the subpath exports. */
async function loadedBy(subpath: string): Promise<{ builtins: string[]; names: string[] }> {
  const program = `
    const before = new Set(process.moduleLoadList);
    const names = Object.keys(await import(${JSON.stringify(join(folder, `${subpath}.js`))}));
    const builtins = process.moduleLoadList.filter((each) => !before.has(each));
    process.stdout.write(JSON.stringify({ builtins, names }));`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program]);
  const { builtins, names } = JSON.parse(stdout) as { builtins: string[]; names: string[] };
  return { builtins: builtins.map((each) => each.replace('NativeModule ', '')), names };
}

describe('importing hp-socket/', () => {
  test.each([
    [
      'tcp',
      ['tls', '_tls_wrap', 'dgram'],
      ['TcpServer', 'TcpPullAgent', 'TcpPackClientListener'],
      /^(Ssl[AC]|SslS|Udp|Http)/,
    ],
    ['ssl', ['dgram'], ['SslServer', 'SslPullAgent', 'SslPackClientListener'], /^(Tcp(?!Connection)|Udp|Http)/],
    ['udp', ['tls', '_tls_wrap'], ['UdpServer', 'UdpNode', 'UdpCastListener'], /^(Tcp|Ssl[AC]|SslS|UdpArq|Http)/],
    [
      'arq',
      ['tls', '_tls_wrap'],
      ['UdpArqServer', 'UdpArqClientListener'],
      /^(Tcp(?!Connection)|Ssl[AC]|SslS|UdpNode|UdpServer|Http)/,
    ],
    ['forward', ['dgram'], ['PortForwarder', 'PortForwarderListener'], /^(Tcp(?!Connection)|Ssl[AC]|SslS|Udp|Http)/],
  ])('%s loads nothing of %j', async (subpath, unwanted, wanted, others) => {
    const { builtins, names } = await loadedBy(subpath);
    expect(builtins).toContain('net');
    expect(builtins.filter((each) => unwanted.includes(each))).toEqual([]);
    expect(names).toEqual(expect.arrayContaining([...wanted, 'HandleResult', 'SocketError', 'SocketErrorCode']));
    expect(names.filter((name) => others.test(name))).toEqual([]);
  });

  test('tcp loads tls when a proxy that speaks it is first connected to, and not before', async () => {
    const program = `
      const { TcpClient } = await import(${JSON.stringify(join(folder, 'tcp.js'))});
      const hasTls = () => process.moduleLoadList.includes('NativeModule tls');
      const through = async (proxy) => {
        await new TcpClient({}, { proxy }).start('127.0.0.1', 1).catch(() => {});
        return hasTls();
      };
      const results = [
        await through('http://127.0.0.1:1'),
        (new TcpClient({}, { proxy: 'https://127.0.0.1:1' }), hasTls()),
        await through('https://127.0.0.1:1'),
      ];
      process.stdout.write(JSON.stringify(results));`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program]);
    expect(JSON.parse(stdout)).toEqual([false, false, true]);
  });

  test('http does not load tough-cookie before somebody wants cookies, and says if it is missing', async () => {
    const program = `
      import Module from 'node:module';
      const resolve = Module._resolveFilename;
      let asked = 0;
      Module._resolveFilename = function (name, ...rest) {
        if (name !== 'tough-cookie') return resolve.call(this, name, ...rest);
        asked++;
        throw Object.assign(new Error('not installed'), { code: 'MODULE_NOT_FOUND' });
      };
      const { CookieManager, HttpAgent } = await import(${JSON.stringify(join(folder, 'http.js'))});
      const said = (act) => {
        try {
          act();
          return 'nothing';
        } catch (error) {
          return error.code + ' ' + error.message;
        }
      };
      const results = [
        said(() => new HttpAgent({})),
        said(() => new CookieManager({ registrableDomain: () => null }).receive('a=b', 'http://h/')),
        asked,
        said(() => new CookieManager()),
        said(() => new HttpAgent({}, { useCookie: true })),
      ];
      process.stdout.write(JSON.stringify(results));`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program]);
    const missing = expect.stringMatching(/^HP_ILLEGAL_STATE .*npm install tough-cookie/);
    expect(JSON.parse(stdout)).toEqual(['nothing', 'nothing', 0, missing, missing]);
  });

  test('the whole has what all of them have', async () => {
    const whole = new Set((await loadedBy('index')).names);
    for (const subpath of ['tcp', 'ssl', 'udp', 'arq', 'forward']) {
      expect((await loadedBy(subpath)).names.filter((name) => !whole.has(name))).toEqual([]);
    }
  });
});
