import { describe } from '../core/describe.ts';
import { $protocols } from '../core/internals.ts';
import { custom, type OptionsOf, type TableOf } from '../core/properties.ts';
import { sharedMemory } from '../memory/read-memory.ts';
import type { Sendable } from '../memory/sendable.ts';
import type { Framer } from '../protocol/framers/framer.ts';
import { type PushContext, PushProtocol } from '../protocol/push.ts';
import type { ProtocolModel } from './protocol-models.ts';

/** Properties of push components. */
export interface FramingProperties<Data = Buffer, Message = Sendable> {
  /**
   * Where messages begin and end: every whole message is one `onReceive`, and `send` frames. Null, the default: bytes as they
   * arrive. `createStream` gives raw bytes where the framing makes something else of them.
   */
  framing: Framer<Data, Message> | null;
}

/** The option `framing` of a push component. */
export type FramingOption<Data, Message> = OptionsOf<FramingProperties<Data, Message>>;

export const framingProperties = {
  framing: custom(null, (name, value) => {
    if (value === null || isFramer(value)) return;
    throw new TypeError(
      `${name} must be a framing, such as lines() or lengthField({ ... }) make it, not ${describe(value)}`,
    );
  }),
} satisfies TableOf<FramingProperties>;

export const pushModel: ProtocolModel = ({ settings }) => {
  const { socketBufferSize, framing = null } = settings as {
    socketBufferSize: number;
    framing?: Framer<unknown, unknown> | null;
  };
  if (framing !== null) return framing[$protocols](sharedMemory().slabs);
  // Left at HP-Socket's default, reads are not cut: it was not asked for, and it costs.
  const context: PushContext = {
    pool: sharedMemory().slabs,
    maxChunkBytes: socketBufferSize === 4096 ? 0 : socketBufferSize,
  };
  return (port) => new PushProtocol(context, port);
};

/** By what it can do: a program without framings does not load them. */
function isFramer(value: unknown): boolean {
  return typeof value === 'object' && value !== null && $protocols in value;
}
