/** A process that issues and revokes until it is killed: `node index-writer.js PKI-FOLDER NAME`. Says "wrote" after each round. */
import { generateKeys, FleetPKI } from "../../../tools/pki/index.js";

const [folder, name] = process.argv.slice(2);
const pki = new FleetPKI({
  folder: folder!,
  passphrase: () => Promise.resolve(process.env["SEALWIRE_PKI_PASSPHRASE"]!),
});
const { publicKey } = await generateKeys();
for (let i = 0; ; i++) {
  const entry = await pki.issueDevice(`${name!}-${i}`, publicKey);
  pki.index.add([entry]);
  await pki.revoke(pki.index.find({ serialNumber: entry.serialNumber }), "superseded");
  process.stdout.write("wrote\n");
}
