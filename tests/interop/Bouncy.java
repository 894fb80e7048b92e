// BouncyCastle as a mailer, for tests: java Bouncy
//
// Each line of its input is one job of space-separated words: what to do, then KEY=VALUE. Each is
// answered by a line, "done" or what is wrong.
//   sign    in= out= cert= key= [algorithm=SHA256withRSA] [form=detached|opaque] [ski=yes] [ber=yes]
//           [cert2= key2= algorithm2=] [countersign=yes]
//   encrypt in= out= to= [cipher=AES256_CBC] [oaep=SHA-256 [label=]] [agreement=SHA256KDF [ukm=]] [ski=yes] [ber=yes]
//   password in= out= | kek in= out= | compress in= out= | bag out= cert=
//   open    in= out= cert= key=        verify in= out= cert=
// `in` is content and `out` becomes DER; for open and verify `in` is DER and `out` the content, which
// verify of a detached signature is given as content=.

import java.io.*;
import java.nio.file.*;
import java.security.*;
import java.security.cert.X509Certificate;
import java.util.*;
import org.bouncycastle.asn1.*;
import org.bouncycastle.asn1.nist.NISTObjectIdentifiers;
import org.bouncycastle.asn1.pkcs.*;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.*;
import org.bouncycastle.cms.*;
import org.bouncycastle.cms.jcajce.*;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.openssl.*;
import org.bouncycastle.openssl.jcajce.JcaPEMKeyConverter;
import org.bouncycastle.operator.*;
import org.bouncycastle.operator.jcajce.*;
import org.bouncycastle.util.Store;

public class Bouncy {
    static Map<String, String> job;

    public static void main(String[] arguments) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        BufferedReader jobs = new BufferedReader(new InputStreamReader(System.in));
        for (String line = jobs.readLine(); line != null; line = jobs.readLine()) {
            job = new HashMap<>();
            String[] words = line.trim().split(" +");
            for (int i = 1; i < words.length; i++) {
                String[] pair = words[i].split("=", 2);
                job.put(pair[0], pair[1]);
            }
            try {
                run(words[0]);
                System.out.println("done");
            } catch (Exception error) {
                StringBuilder said = new StringBuilder();
                for (Throwable one = error; one != null; one = one.getCause()) {
                    said.append(one).append("; ");
                }
                System.out.println(said.toString().replaceAll("\\s+", " "));
            }
            System.out.flush();
        }
    }

    static void run(String what) throws Exception {
        switch (what) {
            case "sign": sign(); break;
            case "encrypt": case "password": case "kek": encrypt(what); break;
            case "compress": compress(); break;
            case "bag": bag(); break;
            case "open": open(); break;
            case "verify": verify(); break;
            default: throw new Exception("unknown job");
        }
    }

    static String word(String name, String otherwise) { return job.getOrDefault(name, otherwise); }

    static byte[] input() throws Exception { return Files.readAllBytes(Path.of(job.get("in"))); }

    static X509CertificateHolder certificate(String file) throws Exception {
        try (PEMParser parser = new PEMParser(new FileReader(file))) {
            return (X509CertificateHolder) parser.readObject();
        }
    }

    static PrivateKey key(String file) throws Exception {
        try (PEMParser parser = new PEMParser(new FileReader(file))) {
            return new JcaPEMKeyConverter().setProvider("BC").getPrivateKey((PrivateKeyInfo) parser.readObject());
        }
    }

    static X509Certificate java(X509CertificateHolder holder) throws Exception {
        return new JcaX509CertificateConverter().setProvider("BC").getCertificate(holder);
    }

    static byte[] skiOf(X509CertificateHolder holder) throws Exception {
        return new JcaX509ExtensionUtils().createSubjectKeyIdentifier(holder.getSubjectPublicKeyInfo()).getKeyIdentifier();
    }

    static void write(byte[] der) throws Exception {
        Files.write(Path.of(job.get("out")), der);
    }

    static SignerInfoGenerator signer(String certificate, String key, String algorithm) throws Exception {
        X509CertificateHolder holder = certificate(certificate);
        JcaContentSignerBuilder builder = new JcaContentSignerBuilder(algorithm);
        ContentSigner signer = builder.setProvider("BC").build(key(key));
        JcaSignerInfoGeneratorBuilder info = new JcaSignerInfoGeneratorBuilder(
            new JcaDigestCalculatorProviderBuilder().setProvider("BC").build());
        return job.containsKey("ski") ? info.build(signer, skiOf(holder)) : info.build(signer, java(holder));
    }

    static Store<?> store(String certificate) throws Exception {
        return new JcaCertStore(List.of(java(certificate(certificate))));
    }

    static void bag() throws Exception {
        CMSSignedDataGenerator generator = new CMSSignedDataGenerator();
        generator.addCertificates(store(job.get("cert")));
        write(generator.generate(new CMSAbsentContent()).getEncoded());
    }

    static void sign() throws Exception {
        SignerInfoGenerator signer = signer(job.get("cert"), job.get("key"), word("algorithm", "SHA256withRSA"));
        if (job.containsKey("ber")) {
            CMSSignedDataStreamGenerator generator = new CMSSignedDataStreamGenerator();
            generator.addSignerInfoGenerator(signer);
            generator.addCertificates(store(job.get("cert")));
            generator.setBufferSize(64);
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            try (OutputStream stream = generator.open(out, true)) {
                stream.write(input());
            }
            write(out.toByteArray());
            return;
        }
        CMSSignedDataGenerator generator = new CMSSignedDataGenerator();
        generator.addSignerInfoGenerator(signer);
        generator.addCertificates(store(job.get("cert")));
        if (job.containsKey("cert2")) {
            generator.addSignerInfoGenerator(signer(job.get("cert2"), job.get("key2"), job.get("algorithm2")));
            generator.addCertificates(store(job.get("cert2")));
        }
        boolean opaque = word("form", "detached").equals("opaque");
        CMSSignedData signed = generator.generate(new CMSProcessableByteArray(input()), opaque);
        if (job.containsKey("countersign")) {
            SignerInformation first = signed.getSignerInfos().getSigners().iterator().next();
            CMSSignedDataGenerator counter = new CMSSignedDataGenerator();
            counter.addSignerInfoGenerator(signer(job.get("cert"), job.get("key"), word("algorithm", "SHA256withRSA")));
            first = SignerInformation.addCounterSigners(first, counter.generateCounterSigners(first));
            signed = CMSSignedData.replaceSigners(signed, new SignerInformationStore(first));
        }
        write(signed.getEncoded());
    }

    static RecipientInfoGenerator recipient() throws Exception {
        X509CertificateHolder holder = certificate(job.get("to"));
        X509Certificate certificate = java(holder);
        if (!certificate.getPublicKey().getAlgorithm().equals("RSA")) {
            return agreement(holder, certificate);
        }
        AlgorithmIdentifier oaep = null;
        if (job.containsKey("oaep")) {
            String digest = job.get("oaep");
            javax.crypto.spec.PSource label = job.containsKey("label")
                ? new javax.crypto.spec.PSource.PSpecified(job.get("label").getBytes())
                : javax.crypto.spec.PSource.PSpecified.DEFAULT;
            oaep = new JcaAlgorithmParametersConverter().getAlgorithmIdentifier(PKCSObjectIdentifiers.id_RSAES_OAEP,
                new javax.crypto.spec.OAEPParameterSpec(digest, "MGF1", new java.security.spec.MGF1ParameterSpec(digest), label));
        }
        if (job.containsKey("ski")) {
            return (oaep == null ? new JceKeyTransRecipientInfoGenerator(skiOf(holder), certificate.getPublicKey())
                : new JceKeyTransRecipientInfoGenerator(skiOf(holder), oaep, certificate.getPublicKey())).setProvider("BC");
        }
        return (oaep == null ? new JceKeyTransRecipientInfoGenerator(certificate)
            : new JceKeyTransRecipientInfoGenerator(certificate, oaep)).setProvider("BC");
    }

    static RecipientInfoGenerator agreement(X509CertificateHolder holder, X509Certificate certificate) throws Exception {
        String kind = certificate.getPublicKey().getAlgorithm();
        KeyPairGenerator pairs = KeyPairGenerator.getInstance(kind.startsWith("X") ? kind : "EC", "BC");
        if (!kind.startsWith("X")) {
            pairs.initialize(((java.security.interfaces.ECPublicKey) certificate.getPublicKey()).getParams());
        }
        KeyPair own = pairs.generateKeyPair();
        ASN1ObjectIdentifier scheme = (ASN1ObjectIdentifier) CMSAlgorithm.class.getField("ECDH_" + word("agreement", "SHA256KDF")).get(null);
        ASN1ObjectIdentifier wrap = (ASN1ObjectIdentifier) CMSAlgorithm.class.getField(word("wrap", "AES256_WRAP")).get(null);
        JceKeyAgreeRecipientInfoGenerator generator = new JceKeyAgreeRecipientInfoGenerator(scheme, own.getPrivate(), own.getPublic(), wrap);
        if (job.containsKey("ukm")) {
            generator.setUserKeyingMaterial(job.get("ukm").getBytes());
        }
        if (job.containsKey("ski")) {
            generator.addRecipient(skiOf(holder), certificate.getPublicKey());
        } else {
            generator.addRecipient(certificate);
        }
        return generator.setProvider("BC");
    }

    static void encrypt(String what) throws Exception {
        RecipientInfoGenerator recipient;
        if (what.equals("password")) {
            recipient = new JcePasswordRecipientInfoGenerator(CMSAlgorithm.AES256_CBC, "secret".toCharArray()).setProvider("BC");
        } else if (what.equals("kek")) {
            recipient = new JceKEKRecipientInfoGenerator(new byte[] {1, 2, 3},
                new javax.crypto.spec.SecretKeySpec(new byte[32], "AES")).setProvider("BC");
        } else {
            recipient = recipient();
        }
        String name = word("cipher", "AES256_CBC");
        ASN1ObjectIdentifier cipher = (ASN1ObjectIdentifier) CMSAlgorithm.class.getField(name).get(null);
        OutputEncryptor encryptor = new JceCMSContentEncryptorBuilder(cipher).setProvider("BC").build();
        if (encryptor instanceof OutputAEADEncryptor) {
            CMSAuthEnvelopedDataGenerator generator = new CMSAuthEnvelopedDataGenerator();
            generator.addRecipientInfoGenerator(recipient);
            if (job.containsKey("attrs")) {
                generator.setAuthenticatedAttributeGenerator(new DefaultSignedAttributeTableGenerator() {
                    public org.bouncycastle.asn1.cms.AttributeTable getAttributes(Map parameters) {
                        ASN1EncodableVector all = new ASN1EncodableVector();
                        all.add(new org.bouncycastle.asn1.cms.Attribute(PKCSObjectIdentifiers.pkcs_9_at_signingTime,
                            new DERSet(new org.bouncycastle.asn1.cms.Time(new Date()))));
                        return new org.bouncycastle.asn1.cms.AttributeTable(all);
                    }
                });
            }
            byte[] der = generator.generate(new CMSProcessableByteArray(input()), (OutputAEADEncryptor) encryptor).getEncoded();
            write(der);
            return;
        }
        if (job.containsKey("ber")) {
            CMSEnvelopedDataStreamGenerator generator = new CMSEnvelopedDataStreamGenerator();
            generator.addRecipientInfoGenerator(recipient);
            generator.setBufferSize(64);
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            try (OutputStream stream = generator.open(out, encryptor)) {
                stream.write(input());
            }
            write(out.toByteArray());
            return;
        }
        CMSEnvelopedDataGenerator generator = new CMSEnvelopedDataGenerator();
        generator.addRecipientInfoGenerator(recipient);
        write(generator.generate(new CMSProcessableByteArray(input()), encryptor).getEncoded());
    }

    static void compress() throws Exception {
        write(new CMSCompressedDataGenerator().generate(new CMSProcessableByteArray(input()),
            new ZlibCompressor()).getEncoded());
    }

    static void open() throws Exception {
        PrivateKey key = key(job.get("key"));
        Collection<RecipientInformation> all;
        try {
            all = new CMSEnvelopedData(input()).getRecipientInfos().getRecipients();
        } catch (CMSException | ClassCastException other) {
            all = new CMSAuthEnvelopedData(input()).getRecipientInfos().getRecipients();
        }
        RecipientInformation info = all.iterator().next();
        if (!info.getRID().match(certificate(job.get("cert")))) {
            throw new Exception("for somebody else");
        }
        Recipient recipient = info instanceof KeyAgreeRecipientInformation
            ? new JceKeyAgreeEnvelopedRecipient(key).setProvider("BC")
            : new JceKeyTransEnvelopedRecipient(key).setProvider("BC");
        write(info.getContent(recipient));
    }

    static void verify() throws Exception {
        CMSSignedData signed = job.containsKey("content")
            ? new CMSSignedData(new CMSProcessableByteArray(Files.readAllBytes(Path.of(job.get("content")))), input())
            : new CMSSignedData(input());
        X509CertificateHolder holder = certificate(job.get("cert"));
        SignerInformation signer = signed.getSignerInfos().getSigners().iterator().next();
        if (!signer.getSID().match(holder) || !signer.verify(new JcaSimpleSignerInfoVerifierBuilder().setProvider("BC").build(holder))) {
            throw new Exception("not valid");
        }
        write((byte[]) signed.getSignedContent().getContent());
    }
}
