// node-forge as a mailer, for tests: node forge.js DO CERTIFICATE KEY, content on standard input.
// DO is sign, detached, encrypt or open.
const forge = require("node-forge");
const fs = require("fs");
const [what, certificateFile, keyFile] = process.argv.slice(2);
const input = fs.readFileSync(0, "binary");
const certificate = forge.pki.certificateFromPem(fs.readFileSync(certificateFile, "utf8"));
const key = forge.pki.privateKeyFromPem(fs.readFileSync(keyFile, "utf8"));
const { oids } = forge.pki;
let out;
if (what === "open") {
  const sealed = forge.pkcs7.messageFromAsn1(forge.asn1.fromDer(input));
  sealed.decrypt(sealed.findRecipient(certificate), key);
  out = sealed.content.getBytes();
} else {
  const encrypting = what === "encrypt";
  const message = encrypting ? forge.pkcs7.createEnvelopedData() : forge.pkcs7.createSignedData();
  message.content = forge.util.createBuffer(input);
  if (encrypting) {
    message.addRecipient(certificate);
    message.encrypt();
  } else {
    message.addCertificate(certificate);
    const authenticatedAttributes = [
      { type: oids.contentType, value: oids.data },
      { type: oids.messageDigest },
      { type: oids.signingTime, value: new Date() },
    ];
    message.addSigner({ key, certificate, digestAlgorithm: oids.sha256, authenticatedAttributes });
    message.sign({ detached: what === "detached" });
  }
  out = forge.asn1.toDer(message.toAsn1()).getBytes();
}
fs.writeSync(1, Buffer.from(out, "binary"));
