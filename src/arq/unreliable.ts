/*
 * Unreliable messages beside the reliable stream, in a way that a C++ HP-Socket (or any ikcp) never notices.
 *
 * Where it hides. The handshake has no free bit: unknown flags are fatal there (AQ-021), as is a KCP command other than
 * 81..84 (KC-002) and a datagram of another length (AQ-005). But a control segment - acknowledgement 82, ask 83, tell 84 -
 * carries fields that only mean something in a push:
 *
 *   field       a control segment from ikcp says    what ikcp reads of it
 *   frg         always 0                            nothing
 *   len, data   always 0, none                      skips len bytes
 *   wnd, una    the truth                           yes, and here they are the truth too
 *
 * (In ikcp, acknowledgements, asks and tells are all written from one template whose frg and len are 0; the reader looks
 * at frg and data of a push alone. `len` is only checked against the rest of the datagram, KC-028.)
 *
 * So `frg` != 0 in a control segment is a mark that
 *  - a C++ peer never sends: we never take it for one of ours;
 *  - a C++ peer never reads: it gets a valid segment with true wnd and una, which changes nothing for it. AQ-003..005 hold
 *    as the datagram is a normal KCP one of 24 bytes or more, AQ-021 as the handshake is untouched.
 *
 *   mark            on                                    means
 *   MARK_CAPABLE    every ack, ask and tell we send       "I understand unreliable messages"
 *   MARK_HELLO      a tell sent when ready, a few times   the same, and "say so if you do": for a peer that has nothing
 *                                                         to acknowledge; answered with a tell that is MARK_CAPABLE
 *   MARK_DATA       a tell with data                      the data is one unreliable message; sn counts them
 *
 * Data is sent only after a mark was seen, so never to a C++ peer. All of this is off unless `unreliable: true`: then a C++
 * peer gets at most HELLO_LIMIT tells of 24 bytes that it ignores, without it not even those.
 */
export const MARK_CAPABLE = 0xa0;
export const MARK_HELLO = 0xa1;
export const MARK_DATA = 0xa2;
/** Hellos sent without an answer before the peer is taken to be a plain one. */
export const HELLO_LIMIT = 5;
