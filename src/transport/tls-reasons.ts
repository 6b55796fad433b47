/** An error of Node or OpenSSL about TLS. */
export interface TlsFailure extends Error {
  code?: string;
  /** OpenSSL's own words. */
  reason?: string;
  syscall?: string;
}

/** What OpenSSL's and Node's codes mean, and what to do. */
const meanings: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: "the peer's certificate has expired; renew it, or check this machine's clock",
  CERT_NOT_YET_VALID: "the peer's certificate is not valid yet; check the clocks of both machines",
  DEPTH_ZERO_SELF_SIGNED_CERT: "the peer's certificate is signed by itself, and it is not among the authorities (ca)",
  SELF_SIGNED_CERT_IN_CHAIN: "an unknown authority signed the peer's certificate; give its certificate as ca",
  UNABLE_TO_GET_ISSUER_CERT: "an unknown authority signed the peer's certificate; give its certificate as ca",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "an unknown authority signed the peer's certificate; give its certificate as ca",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    "an unknown authority signed the peer's certificate, or the peer does not send its chain; give the authority's certificate as ca",
  CERT_REVOKED: "the peer's certificate was revoked",
  UNABLE_TO_GET_CRL: "no CRL of the authority of the peer's certificate was given, but others were; add it to ca",
  CRL_HAS_EXPIRED: "the CRL of the authority of the peer's certificate has expired; give a newer one",
  INVALID_PURPOSE: "the peer's certificate is not meant for this purpose (its extended key usage)",
  ERR_TLS_CERT_ALTNAME_INVALID:
    "the peer's certificate is for another host; connect by a name it has, or set serverName, or verifyHost: false",
  ERR_SSL_NO_SHARED_CIPHER:
    'no shared cipher: the two ends have no cipher suite in common, or the server has no certificate',
  ERR_SSL_NO_SUITABLE_SIGNATURE_ALGORITHM:
    'the two ends have no signature algorithm in common, or the server has no certificate',
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: 'the client sent no certificate, and one is required',
  ERR_SSL_HTTP_REQUEST: 'the peer sent a plain HTTP request to a TLS port',
  ERR_SSL_WRONG_VERSION_NUMBER: 'the peer sent plain text, or something else that is not TLS',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'the peer sent plain text, or something else that is not TLS',
  ERR_SSL_DATA_LENGTH_TOO_LONG: 'the peer sent plain text, or something else that is not TLS',
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'the two ends have no protocol version in common',
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: 'the peer refused: no protocol version in common',
  ERR_SSL_NO_APPLICATION_PROTOCOL: 'the two ends have no application protocol (ALPN) in common',
  ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL: 'the peer refused: no application protocol (ALPN) in common',
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: 'the peer refused the certificate of this end: unknown authority',
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED: 'the peer refused the certificate of this end: expired',
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: 'the peer refused the certificate of this end',
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_REVOKED: 'the peer refused the certificate of this end: revoked',
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN: 'the peer refused the certificate of this end; its log may tell why',
  ERR_SSL_TLSV1_UNRECOGNIZED_NAME: 'the peer refused: it does not serve the server name that it was asked for',
  ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE:
    'the peer refused the handshake: no shared cipher, or it demands a certificate',
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: 'the peer demands a certificate of this end; give cert and key',
  ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC: 'a record does not decrypt: the stream was tampered with',
  NO_CLIENT_CERTIFICATE: 'the client sent no certificate, and one is required',
};

/** What an error of TLS means and what to do, with OpenSSL's reason behind it. */
export function reasonInWords({ code = '', reason, message }: TlsFailure): string {
  // OpenSSL 3.2 and later (Node 24) call these alerts "ssl/tls alert ...", older ones "sslv3 alert ...".
  const meaning = meanings[code.replace('_SSL/TLS_', '_SSLV3_')];
  const words = reason ?? message.replace(/\s+/g, ' ').trim();
  return meaning === undefined ? words : `${meaning} (${words})`;
}
