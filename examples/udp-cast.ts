// Two members of a multicast group, here on the loopback interface.
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { UdpCast } from 'hp-socket';

// Members of a group need the same port; take one that is free right now.
const port = await new Promise<number>((resolve) => {
  const probe = createSocket('udp4').bind(0, '127.0.0.1', () => {
    const { port } = probe.address();
    probe.close(() => resolve(port));
  });
});

const heard = await new Promise<string>((resolve, reject) => {
  const options = { multiCastLoop: true }; // both run on this machine
  const sender = new UdpCast({}, options);
  const member = new UdpCast(
    {
      onReceive(member, _connId, data) {
        console.log('from', member.getRemoteAddress());
        Promise.all([member.stop(), sender.stop()]).then(() => resolve(data.toString()), reject);
      },
    },
    options,
  );
  const where = { localAddress: '127.0.0.1' }; // chooses the interface
  Promise.all([member.start('239.255.0.1', port, where), sender.start('239.255.0.1', port, where)]).then(
    () => sender.send('hello, group'),
    reject,
  );
});
assert.equal(heard, 'hello, group');
