import { integer, type TableOf } from '../core/properties.ts';
import { sharedMemory } from '../memory/read-memory.ts';
import { MAX_PACK_FLAG, MAX_PACK_SIZE, type PackContext, PackProtocol } from '../protocol/pack.ts';
import type { ProtocolModel } from './protocol-models.ts';

/** Properties of pack components. */
export interface PackProperties {
  /** Largest body of a package, sent or received, 1 to 4,194,303 bytes (PACK-S-001). Default 262,144. */
  maxPackSize: number;
  /** Mark in the header of each package, 0 to 1023; received ones are checked unless this is 0 (PACK-S-003). Default 0. */
  packHeaderFlag: number;
}

export const packProperties = {
  maxPackSize: integer(0x40000, 1, MAX_PACK_SIZE),
  packHeaderFlag: integer(0, 0, MAX_PACK_FLAG),
} satisfies TableOf<PackProperties>;

export const packModel: ProtocolModel = ({ settings }) => {
  const { maxPackSize, packHeaderFlag } = settings as unknown as PackProperties;
  const context: PackContext = { pool: sharedMemory().slabs, maxPackSize, packHeaderFlag };
  return (port) => new PackProtocol(context, port);
};
