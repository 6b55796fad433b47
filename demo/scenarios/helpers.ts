import { createHash, randomBytes } from 'node:crypto';
import { TcpPackClient, TcpPackServer } from 'hp-socket';
import {
  compress,
  createGZipCompressor,
  createGZipDecompressor,
  createSocketTask,
  gbkToUnicode,
  ThreadPool,
  uncompress,
  unicodeToGbk,
} from 'hp-socket/helpers';
import { expect, type Scenario, until } from '../scenario.ts';

const host = '127.0.0.1';

/** Hashes on other threads, while the server answers others. */
const hashing: Scenario = {
  title: 'ThreadPool: a TcpPackServer hashes 100 packages of 1 MiB on two threads, and answers others meanwhile',
  async run(progress) {
    const count = 100;
    const size = 1024 * 1024;
    const module = `data:text/javascript,
      import { createHash } from 'node:crypto';
      export const sha256 = ({ data }) => createHash('sha256').update(data).digest();`;
    await using pool = new ThreadPool({}, { module, taskTimeoutMs: 60_000 });
    await pool.start(2, { maxQueueSize: 200 });
    const options = { maxPackSize: size };
    await using server = new TcpPackServer(
      {
        async onReceive(server, connId, packet) {
          if (packet.length < size) server.send(connId, packet);
          else server.send(connId, (await pool.submit(createSocketTask('sha256', server, connId, packet))) as Buffer);
        },
      },
      options,
    );
    const { port } = await server.start(host, 0);
    const packages = Array.from({ length: 10 }, () => randomBytes(size));
    const digests = packages.map((data) => createHash('sha256').update(data).digest('hex'));
    const answers: string[] = [];
    let pongs = 0;
    await using hasher = new TcpPackClient(
      {
        onReceive(_client, _connId, packet) {
          answers.push(packet.toString('hex'));
          progress(`${answers.length} of ${count} hashes`);
        },
      },
      options,
    );
    await using talker = new TcpPackClient(
      {
        onReceive(client) {
          pongs++;
          if (answers.length < count) client.send('ping');
        },
      },
      options,
    );
    await Promise.all([hasher.start(host, port), talker.start(host, port)]);
    talker.send('ping');
    for (let i = 0; i < count; i++) {
      expect(hasher.send(packages[i % packages.length]!), `send failed: ${hasher.lastFailure?.message}`);
    }
    await until(
      () => answers.length === count,
      () => `${answers.length} of ${count} hashes`,
    );
    expect(
      answers.every((answer, i) => answer === digests[i % digests.length]),
      'a hash is wrong',
    );
    expect(pongs > 10, `only ${pongs} small packages were answered meanwhile`);
    expect(pool.stats().completed === count, 'a task is missing');
    return [
      {
        component: 'ThreadPool',
        did: `hashed packages on 2 threads; ${pongs} small ones were answered meanwhile`,
        messages: count,
        bytes: count * size,
      },
    ];
  },
};

/** Bytes through a compressor and a decompressor, a bomb, and GBK. */
const codecs: Scenario = {
  title: 'compressors, decompressors and charsets',
  async run() {
    const line = Buffer.from('a line of a log that looks like the line before it\n');
    const sent = createHash('sha256');
    const received = createHash('sha256');
    let length = 0;
    let packedBytes = 0;
    using decompressor = createGZipDecompressor((data) => {
      received.update(data);
      length += data.length;
    });
    using compressor = createGZipCompressor(async (data) => {
      packedBytes += data.length;
      return decompressor.process(data);
    });
    const pieces = 2000;
    for (let i = 0; i < pieces; i++) {
      const piece = Buffer.concat([line, randomBytes(20), line]);
      sent.update(piece);
      const isLast = i === pieces - 1;
      expect(await compressor.process(piece, isLast), `compressing failed: ${compressor.lastFailure?.message}`);
    }
    expect(await decompressor.finish(), 'the data ended too early');
    expect(sent.digest('hex') === received.digest('hex'), 'the checksums differ');
    expect(packedBytes < length / 2, 'it was hardly compressed');

    const bomb = await compress(Buffer.alloc(20_000_000));
    const code = await uncompress(bomb, { maxOutputBytes: 100_000 }).then(
      () => 'taken',
      (error: { code: string }) => error.code,
    );
    expect(code === 'HP_MESSAGE_TOO_LARGE', `a bomb of ${bomb.length} bytes was not refused: ${code}`);

    const text = '汉字';
    expect(gbkToUnicode(unicodeToGbk(text)) === text, 'GBK did not come back');
    return [
      { component: 'GZipCompressor', did: 'compressed a log, piece by piece', messages: pieces, bytes: packedBytes },
      { component: 'GZipDecompressor', did: 'checksum right; a bomb was refused', messages: pieces, bytes: length },
    ];
  },
};

export const helperScenarios: Scenario[] = [hashing, codecs];
