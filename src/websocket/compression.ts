import { CompressionBudget, inflaterBytes } from './compression-budget.ts';
import { DeflateContext } from './deflate-context.ts';
import { answerDeflateOffer, type DeflateAnswer, type DeflateParameters } from './deflate-negotiation.ts';

/** The compression of all connections of one component. */
export class Compression extends CompressionBudget {
  /** Server: the answer to an offer, without contexts that the budget has no room for. */
  answer(header: string): DeflateAnswer | null {
    const { options } = this;
    const fits = this.stats.contextBytes + inflaterBytes(options.clientMaxWindowBits) <= options.budgetBytes;
    return answerDeflateOffer(header, fits ? options : { ...options, clientNoContextTakeover: true });
  }

  /** Contexts of a new connection that agreed on `parameters`. */
  open(parameters: DeflateParameters, isServer: boolean): DeflateContext {
    return new DeflateContext(this, parameters, isServer);
  }
}
