// Builds dist/ from src/: an empty folder first, so that a file that moved leaves no old copy in the package.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const require = createRequire(import.meta.url);
const root = dirname(import.meta.dirname ?? new URL('.', import.meta.url).pathname.replace(/\/$/, ''));
rmSync(join(root, 'dist'), { recursive: true, force: true });
const tsc = require.resolve('typescript/bin/tsc');
const { status } = spawnSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json')], { stdio: 'inherit' });
process.exitCode = status ?? 1;

// llhttp, the HTTP parser, as WebAssembly: the builds that come with undici, so that nobody who installs this installs that.
const undici = require('undici/package.json');
const pinned = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).devDependencies.undici;
if (undici.version !== pinned) throw new Error(`undici ${undici.version} is installed, ${pinned} is wanted: npm ci`);
const builds = { 'llhttp-simd.wasm': 'llhttp_simd-wasm.js', 'llhttp.wasm': 'llhttp-wasm.js' };
const sums = [];
for (const [file, source] of Object.entries(builds)) {
  const binary = require(`undici/lib/llhttp/${source}`);
  // The binary has no version number; this is the first text that 9.3 brought.
  if (!binary.includes('HPE_CB_PROTOCOL_COMPLETE')) throw new Error(`${source} is older than llhttp 9.3`);
  if (process.exitCode === 0) writeFileSync(join(root, 'dist/http/llhttp', file), binary);
  sums.push(`- dist/http/llhttp/${file}: sha256 ${createHash('sha256').update(binary).digest('hex')}`);
}

const mit = `Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation
files (the "Software"), to deal in the Software without restriction, including without limitation the rights to use, copy,
modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software
is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES
OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE
LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR
IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.`;

writeFileSync(
  join(root, 'THIRD_PARTY_LICENSES'),
  `What this package contains that others have written.

llhttp 9.3 or later, the HTTP parser of Node.js, as WebAssembly, from undici ${undici.version} (lib/llhttp)
${sums.join('\n')}

--- llhttp (MIT)

Copyright Fedor Indutny, 2018.

${mit}

--- undici (MIT)

${readFileSync(join(dirname(require.resolve('undici/package.json')), 'LICENSE'), 'utf8').trim()}
`,
);
