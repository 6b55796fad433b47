import { describe, expect, test } from 'vitest';
import { BufferView, viewConstructor } from '../../src/memory/buffer-view.ts';

describe('views of memory', () => {
  const strange = [
    undefined,
    Uint8Array,
    class {},
    () => {
      throw new Error('not today');
    },
  ];

  test.each([BufferView, ...strange.map(viewConstructor)])('are Buffers that share it (%#)', (View) => {
    const memory = Buffer.from('0123456789');
    const view = new View(memory.buffer, memory.byteOffset + 2, 3);
    expect(view).toStrictEqual(Buffer.from('234'));
    expect(view.buffer).toBe(memory.buffer);
    view[0] = 0x78;
    expect(memory.toString()).toBe('01x3456789');
  });

  test('this Node shows the constructor that makes them fastest', () => {
    expect(BufferView.prototype).toBe(Buffer.prototype);
    expect(viewConstructor(undefined)).not.toBe(BufferView);
  });
});
