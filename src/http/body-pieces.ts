import { type Pieces, piecesOf, type Source } from '../core/pieces.ts';

type Piece = string | Uint8Array;

/** A body that is made piece by piece. */
export type BodyPieces = Pieces<Piece>;

/** @throws TypeError for what is no body, and for a web stream that is being read elsewhere. */
export function bodyPieces(body: Source<Piece>): BodyPieces {
  return piecesOf('body must be a text, bytes, or something to iterate over', body);
}
