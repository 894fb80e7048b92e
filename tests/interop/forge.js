// node-forge as a mailer, for tests: node forge.js DO CERTIFICATE KEY OPTION, content on standard input.
// DO is sign or detached (OPTION: digest), encrypt (cipher), open, verify (file of the content) or bag.
const forge = require("node-forge");
const fs = require("fs");
const [what, certificateFile, keyFile, option] = process.argv.slice(2);
const input = fs.readFileSync(0, "binary");
const pem = (file) => fs.readFileSync(file, "utf8");
const { oids } = forge.pki;
let out = "";
if (what === "open") {
  const sealed = forge.pkcs7.messageFromAsn1(forge.asn1.fromDer(input));
  // The recipient is looked for by hand: certificates of other keys than RSA are not read.
  const own = sealed.recipients[0];
  sealed.decrypt(own, forge.pki.privateKeyFromPem(pem(keyFile)));
  out = sealed.content.getBytes();
} else if (what === "verify") {
  forge.pkcs7.messageFromAsn1(forge.asn1.fromDer(input)).verify();
} else {
  const certificate = forge.pki.certificateFromPem(pem(certificateFile));
  const encrypting = what === "encrypt";
  const message = encrypting ? forge.pkcs7.createEnvelopedData() : forge.pkcs7.createSignedData();
  message.content = forge.util.createBuffer(input);
  if (encrypting) {
    message.addRecipient(certificate);
    message.encrypt(undefined, oids[option]);
  } else {
    message.addCertificate(certificate);
    if (what !== "bag") {
      const authenticatedAttributes = [
        { type: oids.contentType, value: oids.data },
        { type: oids.messageDigest },
        { type: oids.signingTime, value: new Date() },
      ];
      const key = forge.pki.privateKeyFromPem(pem(keyFile));
      message.addSigner({ key, certificate, digestAlgorithm: oids[option], authenticatedAttributes });
    }
    message.sign({ detached: what !== "sign" });
  }
  out = forge.asn1.toDer(message.toAsn1()).getBytes();
}
fs.writeSync(1, Buffer.from(out, "binary"));
