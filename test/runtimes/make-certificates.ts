/** Writes the certificates of the smoke suite to the file that is named. */
import { writeFileSync } from 'node:fs';
import { commonCertificates } from '../tools/certificates.ts';

const { authority, server, client } = await commonCertificates();
const shop = await authority.sign({ names: ['shop.example'], commonName: 'shop.example' });
writeFileSync(process.argv[2]!, JSON.stringify({ ca: authority.ca, server, client, shop }));
