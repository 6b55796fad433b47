import { HandleResult } from '../core/enums.ts';

/** Whether a hook's answer needs no settling: it is neither Error nor an object that might be a promise. */
export function isPlainlyOk(result: unknown): boolean {
  return (
    result !== HandleResult.Error && (result === null || (typeof result !== 'object' && typeof result !== 'function'))
  );
}
