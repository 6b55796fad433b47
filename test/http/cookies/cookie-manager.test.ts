import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { currentUtcTime } from '../../../src/http/cookies/cookie-date.ts';
import { CookieManager, CookieSameSite, cookieToString } from '../../../src/http.ts';

const folder = mkdtempSync(join(tmpdir(), 'hp-cookies-'));
afterAll(() => rmSync(folder, { recursive: true }));
let count = 0;
function file(text?: string): string {
  const name = join(folder, `${count++}`);
  if (text !== undefined) writeFileSync(name, text, 'latin1');
  return name;
}

const later = currentUtcTime() + 100_000;

/** The `Cookie` for `to` when `from` sent these `Set-Cookie`. */
function sent(from: string, setCookies: string | string[], to: string, query = {}): string {
  const manager = new CookieManager();
  for (const text of [setCookies].flat()) manager.receive(text, from);
  return manager.getCookieHeader(to, query);
}

describe('cookies that servers set', () => {
  it('go to the host alone, unless they name its domain (CK-017, CK-019, CK-020)', () => {
    for (const [setCookie, to, expected] of [
      ['a=b', 'http://www.example.com/', 'a=b'],
      ['a=b', 'http://WWW.EXAMPLE.COM:8080/', 'a=b'],
      ['a=b', 'http://example.com/', ''],
      ['a=b', 'http://x.www.example.com/', ''],
      ['a=b; domain=example.com', 'http://example.com/', 'a=b'],
      ['a=b; Domain=.EXAMPLE.com', 'http://other.example.com/', 'a=b'],
      ['a=b; domain=www.example.com', 'http://x.www.example.com/', 'a=b'],
      ['a=b; domain=', 'http://www.example.com/', 'a=b'],
      ['a=b; domain=example.com', 'http://notexample.com/', ''],
      ['a=b; domain=example.com', 'http://example.com.evil.org/', ''],
      // Not its own to set:
      ['a=b; domain=x.www.example.com', 'http://x.www.example.com/', ''],
      ['a=b; domain=other.com', 'http://other.com/', ''],
      ['a=b; domain=ample.com', 'http://www.example.com/', ''],
      ['a=b; domain=com', 'http://www.example.com/', ''],
      ['a=b; domain=.com', 'http://other.com/', ''],
    ] as const) {
      expect([setCookie, to, sent('http://www.example.com/', setCookie, to)]).toEqual([setCookie, to, expected]);
    }
  });

  it('cannot be for a public suffix, nor for parts of an address (CK-019, CK-020)', () => {
    expect(sent('http://shop.co.uk/', 'a=b; domain=co.uk', 'http://bank.co.uk/')).toBe('');
    expect(sent('http://me.github.io/', 'a=b; domain=github.io', 'http://you.github.io/')).toBe('');
    expect(sent('http://github.io/', 'a=b; domain=github.io', 'http://github.io/')).toBe('a=b'); // host only
    expect(sent('http://github.io/', 'a=b; domain=github.io', 'http://you.github.io/')).toBe('');
    expect(sent('http://127.0.0.1/', 'a=b', 'http://127.0.0.1:81/')).toBe('a=b');
    expect(sent('http://127.0.0.1/', 'a=b; domain=127.0.0.1', 'http://127.0.0.1/')).toBe('a=b');
    expect(sent('http://127.0.0.1/', 'a=b; domain=0.0.1', 'http://9.0.0.1/')).toBe('');
    expect(sent('http://[::1]/', 'a=b', 'http://[::1]:8080/')).toBe('a=b');
    expect(sent('http://localhost/', 'a=b', 'http://localhost:3000/')).toBe('a=b');
    const own = new CookieManager({ registrableDomain: (host) => (host.endsWith('a.test') ? 'a.test' : null) });
    expect(own.receive('a=b; domain=a.test', 'http://x.a.test/')).toBe(true);
    expect(own.receive('a=b; domain=b.test', 'http://x.b.test/')).toBe(false);
  });

  it('go to paths below theirs, longest first, and else in the order in which they came (CK-014, CK-015, CK-017, CK-020, CK-021)', () => {
    const all = ['r=0; path=/', 'ab=1; path=/a/b', 'a=2; path=/a/', 'd=3', 'n=4; path=x'];
    for (const [path, expected] of [
      ['/', 'r=0'],
      ['/a', 'r=0'],
      ['/a/', 'a=2; r=0'],
      ['/a/b', 'ab=1; a=2; r=0'],
      ['/a/b?c=/d/e', 'ab=1; a=2; r=0'],
      ['/a/b/c', 'ab=1; a=2; r=0'],
      ['/a/bc', 'a=2; r=0'],
      ['/A/B', 'r=0'],
      ['/dir/sub', 'd=3; n=4; r=0'],
      ['/dir', 'd=3; n=4; r=0'],
    ] as const) {
      expect([path, sent('http://h/dir/page?x=/y/z', all, `http://h${path}`)]).toEqual([path, expected]);
    }
    const manager = new CookieManager();
    for (const text of ['a=1; path=/', 'A=2; path=/', 'a=3; path=/a', 'a=4; path=/'])
      manager.receive(text, 'http://h/');
    expect(manager.getCookieHeader('http://h/a')).toBe('a=3; a=4; A=2'); // the place of a=1 is kept
  });

  it('are read as RFC 6265bis says, whatever is in them (CK-016)', () => {
    for (const [text, expected] of [
      [' a = b c ; x', 'a=b c'],
      ['a=b=c', 'a=b=c'],
      ['a="b"', 'a="b"'],
      ['a=', 'a='],
      ['a=b;;; path=/', 'a=b'],
      ['a=b; expires=nonsense', 'a=b'],
      ['a=b; expires=Wed, 25 Nov 2099 12:00:00 GMT', 'a=b'],
      ['a=b; expires=Wed, 25 Nov 2020 12:00:00 GMT', ''],
      ['a=b; max-age=10; expires=Wed, 25 Nov 2020 12:00:00 GMT', 'a=b'],
      ['a=b; EXPIRES=Wed, 25 Nov 2099 12:00:00 GMT; MAX-AGE=0', ''],
      ['a=b; max-age=-1', ''],
      ['a=b; max-age=x', 'a=b'],
      ['a=b; path=/elsewhere; path=/', 'a=b'],
      ['=b', ''],
      ['a', ''],
      ['', ''],
      ['a=b\x01', ''],
      ['a\x7f=b', ''],
      [`a=${'x'.repeat(4095)}`, `a=${'x'.repeat(4095)}`],
      [`a=${'x'.repeat(4096)}`, ''],
      [`a=b; path=/${'x'.repeat(1024)}`, 'a=b'],
      ['a=\xe9', 'a=\xe9'],
    ] as const) {
      expect([text, sent('http://h/', text, 'http://h/')]).toEqual([text, expected]);
    }
    const manager = new CookieManager();
    manager.receive('a=b; Max-Age=999999999; HTTPONLY; Secure; SameSite=LAX', 'https://h/');
    const [cookie] = manager.getCookies('https://h/');
    expect(cookie).toMatchObject({ isHttpOnly: true, isSecure: true, sameSite: CookieSameSite.Lax, isHostOnly: true });
    expect(cookie!.expires).toBeLessThanOrEqual(currentUtcTime() + 400 * 86_400);
  });

  it('are for HTTPS only if they say so, and are not replaced from HTTP', () => {
    expect(sent('https://h/', 'a=b; secure', 'https://h/')).toBe('a=b');
    expect(sent('https://h/', 'a=b; secure', 'http://h/')).toBe('');
    expect(sent('http://h/', 'a=b; secure', 'https://h/')).toBe('');
    const manager = new CookieManager();
    expect(manager.receive('a=safe; secure; path=/x', 'https://www.example.com/')).toBe(true);
    expect(manager.receive('a=evil; path=/x/y; domain=example.com', 'http://www.example.com/')).toBe(false);
    expect(manager.receive('a=fine; path=/', 'http://www.example.com/')).toBe(true);
    expect(manager.receive('a=fine; path=/x', 'https://www.example.com/')).toBe(true);
    expect(manager.stats()).toMatchObject({ refused: 1 });
  });

  it('keep what their prefix promises', () => {
    for (const [text, isTaken] of [
      ['__Secure-a=b; secure', true],
      ['__Secure-a=b', false],
      ['__SECURE-a=b', false],
      ['__Host-a=b; secure; path=/', true],
      ['__Host-a=b; secure', true], // "/" is the directory of "/"
      ['__Host-a=b; secure; path=/x', false],
      ['__Host-a=b; secure; path=/; domain=www.example.com', false],
      ['__Host-a=b; path=/', false],
      ['__hOST-a=b; path=/', false],
    ] as const) {
      expect([text, new CookieManager().receive(text, 'https://www.example.com/')]).toEqual([text, isTaken]);
    }
  });

  it('stay with their site if they say so, and the page that asks is known (CK-022)', () => {
    const all = ['n=0', 's=1; SameSite=Strict', 'l=2; samesite=lax'];
    const to = 'http://www.example.com/';
    for (const [query, expected] of [
      [{}, 'n=0; s=1; l=2'],
      [{ initiator: 'http://shop.example.com/' }, 'n=0; s=1; l=2'],
      [{ initiator: 'https://www.example.com/' }, 'n=0; l=2'], // another scheme is another site
      [{ initiator: 'http://example.org/' }, 'n=0; l=2'],
      [{ initiator: 'http://example.org/', method: 'post' }, 'n=0'],
    ] as const) {
      expect([query, sent(to, all, to, query)]).toEqual([query, expected]);
    }
  });

  it('are no more than the limits: what expired goes first, then what was used longest ago', () => {
    const manager = new CookieManager({ maxCookies: 3, maxCookiesPerDomain: 2 });
    for (const name of ['a', 'b', 'c']) manager.receive(`${name}=1`, 'http://one/');
    expect(manager.getCookieHeader('http://one/')).toBe('b=1; c=1');
    manager.receive('d=1', 'http://two/');
    manager.receive('e=1', 'http://three/');
    expect([manager.getCookieHeader('http://one/'), manager.stats()]).toEqual([
      'c=1',
      { cookies: 3, refused: 0, evicted: 2 },
    ]);
    expect(() => new CookieManager({ maxCookie: 1 } as never)).toThrow('did you mean maxCookies?');
    expect(() => manager.getCookies('ftp://h/')).toThrow(TypeError);
  });
});

describe('cookies that the application sets', () => {
  it('are set, changed and deleted (CK-005, CK-006, CK-014)', () => {
    const manager = new CookieManager();
    for (const [name, domain, path] of [
      ['', 'h', '/'],
      ['a', '', '/'],
      ['a', '.', '/'],
      ['a', 'h', ''],
      ['a', 'h', 'x'],
      ['a;b', 'h', '/'],
      ['a', '.com', '/'],
      ['__Host-a', 'h', '/'],
    ] as const) {
      expect([name, domain, path, manager.setCookie(name, 'v', domain, path)]).toEqual([name, domain, path, false]);
    }
    expect(manager.setCookie('a', 'v;w', 'h', '/')).toBe(false);
    expect(manager.setCookie('a', '1', 'H', '/', { maxAge: 1000, httpOnly: true })).toBe(true);
    expect(manager.setCookie('a', '2', 'h', '/')).toBe(true);
    expect(manager.all).toMatchObject([{ domain: 'h', value: '2', isHttpOnly: true }]);
    expect(manager.all[0]!.expires).toBeGreaterThan(0);
    manager.setCookie('a', '3', 'h', '/', { onlyUpdateValueIfExists: false, sameSite: CookieSameSite.Strict });
    expect(manager.all).toMatchObject([{ value: '3', expires: -1, isHttpOnly: false, sameSite: 1 }]);
    expect(manager.setCookie('a', '', 'h', '/', { maxAge: 0 })).toBe(true);
    expect(manager.setCookie('a', '', 'h', '/', { maxAge: 0 })).toBe(false);
    manager.setCookie('b', '1', '.example.com', '/');
    expect(manager.getCookieHeader('http://www.example.com/')).toBe('b=1');
    expect([manager.deleteCookie('example.com', '/', 'B'), manager.deleteCookie('example.com', '/', 'b')]).toEqual([
      false,
      true,
    ]);
    expect(() => manager.setCookie('a', 'b', 'h', '/', { maxage: 1 } as never)).toThrow('did you mean maxAge?');
  });

  it('are forgotten by domain and path (CK-003, CK-004)', () => {
    const fill = (): CookieManager => {
      const manager = new CookieManager();
      for (const domain of ['a', 'b'])
        for (const path of ['/', '/x']) manager.setCookie('n', `${domain}${path}`, domain, path);
      return manager;
    };
    for (const [domain, path, left] of [
      [null, null, []],
      ['A', null, ['b/', 'b/x']],
      [null, '/x', ['a/', 'b/']],
      ['b', '/', ['a/', 'a/x', 'b/x']],
    ] as const) {
      const manager = fill();
      manager.removeExpiredCookies(domain, path);
      expect(manager.all).toHaveLength(4);
      manager.clearCookies(domain, path);
      expect(manager.all.map((cookie) => cookie.value)).toEqual(left);
    }
  });

  it('are told as HP-Socket tells them (CK-010)', () => {
    expect(cookieToString({ name: 'n', value: 'v' })).toBe('n=v');
    const manager = new CookieManager();
    const time = 1_795_334_717;
    const whole = { name: 'n', value: 'v', domain: 'd', path: '/', expires: time, isHttpOnly: true, isSecure: true };
    expect(cookieToString({ ...whole, sameSite: CookieSameSite.Strict })).toBe(
      'n=v; domain=d; path=/; expires=Sun, 22-Nov-2026 08:05:17 GMT; HttpOnly; secure; SameSite=Strict',
    );
    manager.receive(cookieToString({ ...whole, domain: 'h', sameSite: CookieSameSite.Lax }), 'https://h/');
    expect(manager.stats()).toMatchObject({ refused: 0 });
  });
});

describe("HP-Socket's file of cookies", () => {
  it('is read and written (CK-001, CK-002, CK-023, CK-024)', async () => {
    const hp = file(
      `127.0.0.1 /\n\tk;v;${later};0;0;0\n\n.example.com /a/\r\n\te; ;${later};1;1;2\r\n\told;x;1;0;0;0\n`,
    );
    const manager = new CookieManager();
    await manager.loadFromFile(hp);
    expect(manager.all).toEqual([
      {
        name: 'k',
        value: 'v',
        domain: '127.0.0.1',
        isHostOnly: true,
        path: '/',
        expires: later,
        isSecure: false,
        isHttpOnly: false,
        sameSite: 0,
      },
      {
        name: 'e',
        value: '',
        domain: 'example.com',
        isHostOnly: false,
        path: '/a/',
        expires: later,
        isSecure: true,
        isHttpOnly: true,
        sameSite: 2,
      },
    ]);
    manager.setCookie('session', 'x', 'h', '/');
    manager.setCookie('tab', 'x\ty', 'h', '/', { maxAge: 1000 });
    const out = file();
    await manager.saveToFile(out);
    expect(readFileSync(out, 'latin1')).toBe(
      `127.0.0.1 /\n\tk;v;${later};0;0;0\n.example.com /a/\n\te; ;${later};1;1;2\n`,
    );
    expect(statSync(out).mode & 0o077).toBe(0);
    const again = new CookieManager();
    await again.loadFromFile(pathToFileURL(out));
    expect(again.all).toHaveLength(2);
  });

  it('keeps or replaces what is there (CK-001, CK-002)', async () => {
    const name = file(`h /\n\ta;file;${later};0;0;0\n\tb;file;${later};0;0;0\n`);
    const values = (manager: CookieManager): string[] => manager.all.map((cookie) => `${cookie.name}=${cookie.value}`);
    const keeping = new CookieManager();
    keeping.setCookie('a', 'memory', 'h', '/', { maxAge: 1000 });
    await keeping.loadFromFile(name);
    expect(values(keeping)).toEqual(['a=memory', 'b=file']);
    const replacing = new CookieManager();
    replacing.setCookie('a', 'memory', 'h', '/', { maxAge: 1000 });
    await replacing.loadFromFile(name, false);
    expect(values(replacing)).toEqual(['a=file', 'b=file']);
    const saving = new CookieManager();
    saving.setCookie('a', 'memory', 'h', '/', { maxAge: 1000 });
    await saving.saveToFile(name);
    expect(readFileSync(name, 'latin1')).toMatch(/a;memory;.*\n.*b;file/);
    saving.deleteCookie('h', '/', 'b');
    await saving.saveToFile(name, false);
    expect(readFileSync(name, 'latin1')).not.toContain('b;file');
    expect(readdirSync(folder).filter((one) => one.includes('.'))).toEqual([]); // nothing is left beside it
  });

  it('is refused at a line that is none of it; what stands in front stays (CK-001)', async () => {
    const good = `h /\n\ta;b;${later};0;0;0\n`;
    for (const bad of [
      'h\n',
      'h x\n',
      '\t;b;1;0;0;0\n',
      '\ta;b;1;0;0\n',
      '\ta;b;1;0;0;0;0\n',
      '\ta;b;x;0;0;0\n',
      '\ta;b;1;2;0;0\n',
      '\ta;b;1;0;0;3\n',
      `\ta;${'x'.repeat(8200)};1;0;0;0\n`,
    ]) {
      const manager = new CookieManager();
      const error = await manager.loadFromFile(file(good + bad)).catch((thrown: unknown) => thrown);
      expect([bad, error]).toEqual([bad, expect.objectContaining({ name: 'SocketError', errnoName: 'EBADMSG' })]);
      expect(manager.all).toHaveLength(1);
    }
    const manager = new CookieManager();
    await expect(manager.loadFromFile(file('\ta;b;1;0;0;0\n'))).rejects.toMatchObject({ errnoName: 'EBADMSG' });
    await expect(manager.loadFromFile(join(folder, 'none'))).rejects.toMatchObject({ errnoName: 'ENOENT' });
    await expect(manager.saveToFile(join(folder, 'none', 'none'))).rejects.toMatchObject({ errnoName: 'ENOENT' });
  });
});
