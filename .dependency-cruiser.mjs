// What may import what, types included. CONTRIBUTING.md has the same table in words.
// `npm run check:imports` runs it.

/** Rooms, and the rooms that each may import beside itself. */
const rooms = {
  core: [],
  memory: ['core'],
  protocol: ['core', 'memory'],
  arq: ['core'],
  helpers: ['core'],
  transport: ['core', 'memory'],
  connection: ['core', 'memory', 'protocol', 'transport'],
  stream: ['core', 'memory', 'protocol', 'transport', 'connection'],
  udp: ['core', 'memory', 'arq', 'protocol', 'transport', 'connection'],
};
const roles = ['server', 'agent', 'client'];
const belowRoles = Object.keys(rooms).filter((room) => room !== 'helpers');
for (const role of roles) rooms[role] = belowRoles;
rooms.ssl = [...belowRoles, ...roles];
// These two import each other: HTTP components have hooks for WebSocket frames, and every WebSocket begins as an HTTP request.
// Their files make no circles.
rooms.http = [...belowRoles, ...roles, 'ssl', 'websocket'];
rooms.websocket = [...belowRoles, ...roles, 'ssl', 'http'];
rooms.forward = [...belowRoles, ...roles, 'ssl'];
rooms.cluster = [...belowRoles, ...roles, 'ssl', 'http', 'websocket'];

const sockets = '^(node:)?(net|tls|dgram)$';
/** Bytes and a clock go in, bytes and calls come out. */
const pure = '^src/(memory|protocol|arq|websocket)/';

export default {
  forbidden: [
    { name: 'no-circle', severity: 'error', from: {}, to: { circular: true } },
    ...Object.entries(rooms).map(([room, below]) => ({
      name: `${room}-imports`,
      severity: 'error',
      comment: `src/${room}/ may import ${below.length === 0 ? 'no other room' : below.join(', ')}`,
      from: { path: `^src/${room}/` },
      to: { path: '^src/', pathNot: `^src/(${[room, ...below].join('|')})/` },
    })),
    {
      name: 'rooms-have-rules',
      severity: 'error',
      comment: 'a room that no rule knows; put it into .dependency-cruiser.mjs',
      from: { path: '^src/[^/]+/', pathNot: `^src/(${Object.keys(rooms).join('|')})/` },
      to: {},
    },
    {
      name: 'sockets-only-in-transport',
      severity: 'error',
      comment: 'only src/transport/ imports node:net, node:tls and node:dgram; others may use their types',
      from: { path: '^src/', pathNot: '^src/transport/' },
      to: { path: sockets, dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'pure-rooms',
      severity: 'error',
      comment: 'protocol cores are pure: no sockets, no timers, no files; not even their types',
      from: { path: pure },
      to: { path: `${sockets}|^(node:)?(timers|fs|child_process|worker_threads|http|https|http2)(/promises)?$` },
    },
    {
      name: 'no-development-packages',
      severity: 'error',
      comment: 'the package has no dependencies; what src/ imports must be in it',
      // src/hono.ts is for those who have Hono: an optional peer.
      from: { path: '^src/', pathNot: '^src/hono\\.ts$' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'] },
    },
    { name: 'resolvable', severity: 'error', from: { pathNot: '^src/hono\\.ts$' }, to: { couldNotResolve: true } },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|node_modules/.*|\\.\\./.*node_modules)' },
  },
};
