//! Tokens, keys and certificates. They are test vectors of RFCs, or made by `tests/make`.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::Sha256;

use super::{Header, Keys, pem};

/// RFC 7515, A.2.
const RSA_MODULUS: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
const RSA_TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";

/// RFC 7515, A.3.
const CURVE_X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
const CURVE_Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
const CURVE_TOKEN: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

/// RFC 7638, 3.1.
const THUMBPRINT_MODULUS: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
const THUMBPRINT: &str = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";

/// The message of all signatures in `data/signatures`.
const MESSAGE: &[u8] = b"header.payload";

/// A day in January 2027, when all certificates are valid.
const NOW: u64 = 1_800_000_000;
/// A time before any certificate was valid.
const EARLIER: u64 = 1_600_000_000;
/// In 2040, when `root` is no longer valid.
const LATER: u64 = 2_210_000_000;

const ROOT: &str = include_str!("tests/data/root.pem");
const DIRECT: &str = include_str!("tests/data/direct.pem");
const SERVER: &str = include_str!("tests/data/server.pem");
const LARGE: &str = include_str!("tests/data/large.pem");
const SMALL: &str = include_str!("tests/data/small.pem");
const P384: &str = include_str!("tests/data/p384.pem");

fn rsa_key() -> Value {
    json!({ "kty": "RSA", "n": RSA_MODULUS, "e": "AQAB" })
}

fn curve_key() -> Value {
    json!({ "kty": "EC", "crv": "P-256", "x": CURVE_X, "y": CURVE_Y })
}

/// A key with further members.
fn with(mut key: Value, members: Value) -> Value {
    key.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    key
}

fn jwks(keys: &[Value]) -> Keys {
    Keys::from_jwks(&json!({ "keys": keys }).to_string()).unwrap()
}

fn jwks_error(keys: &[Value]) -> String {
    Keys::from_jwks(&json!({ "keys": keys }).to_string()).unwrap_err()
}

fn header(json: &Value) -> Header {
    serde_json::from_value(json.clone()).unwrap()
}

fn parts(token: &str) -> (&[u8], Vec<u8>) {
    let (message, signature) = token.rsplit_once('.').unwrap();
    (message.as_bytes(), URL_SAFE_NO_PAD.decode(signature).unwrap())
}

/// Whether keys verify a token, with a header in place of its own.
fn verifies(keys: &Keys, json: &Value, token: &str) -> bool {
    let (message, signature) = parts(token);
    keys.verify_as(&header(json), message, &signature, NOW).is_ok()
}

/// The signature of a key of `tests/data`.
fn signature(name: &str) -> Vec<u8> {
    let signatures = include_str!("tests/data/signatures");
    let hex = signatures.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn der(pem: &str) -> Vec<u8> {
    pem::blocks(pem).next().unwrap().unwrap().1
}

/// Whether a bundle verifies the signature of a key that comes with certificates.
fn verifies_with(bundle: &str, certificates: &[&str], name: &str, now: u64) -> Result<(), &'static str> {
    let chain: Vec<_> = certificates.iter().map(|pem| STANDARD.encode(der(pem))).collect();
    let algorithm = if signature(name).len() == 64 { "ES256" } else { "RS256" };
    let header = header(&json!({ "alg": algorithm, "x5c": chain }));
    Keys::from_certificates(bundle).unwrap().verify_as(&header, MESSAGE, &signature(name), now)
}

#[test]
fn the_examples_of_the_rfc_verify() {
    for (key, algorithm, token) in [(rsa_key(), "RS256", RSA_TOKEN), (curve_key(), "ES256", CURVE_TOKEN)] {
        let keys = jwks(&[with(key, json!({ "kid": "a", "alg": algorithm, "use": "sig" }))]);
        assert!(verifies(&keys, &json!({ "alg": algorithm }), token), "{algorithm}");
        assert!(
            verifies(&keys, &json!({ "alg": algorithm, "kid": "a", "typ": "JWT" }), token),
            "{algorithm}"
        );
        assert!(!verifies(&keys, &json!({ "alg": algorithm, "kid": "b" }), token), "{algorithm}");
        assert!(!verifies(&keys, &json!({ "alg": algorithm, "kid": "" }), token), "{algorithm}");
    }
}

#[test]
fn what_was_touched_is_refused() {
    let keys = jwks(&[rsa_key(), curve_key()]);
    for (algorithm, token) in [("RS256", RSA_TOKEN), ("ES256", CURVE_TOKEN)] {
        let (message, signature) = parts(token);
        let header = header(&json!({ "alg": algorithm }));
        let verify =
            |message: &[u8], signature: &[u8]| keys.verify_as(&header, message, signature, NOW).is_ok();
        assert!(verify(message, &signature));
        for at in 0..signature.len() {
            let mut touched = signature.clone();
            touched[at] ^= 1 << (at % 8);
            assert!(!verify(message, &touched), "{algorithm}, byte {at}");
        }
        assert!(!verify(&message[1..], &signature));
        assert!(!verify(&[message, b" "].concat(), &signature));
        assert!(!verify(b"", &signature));
        let longer = [&signature[..], &[0]].concat();
        let padded = [&[0], &signature[..]].concat();
        let twice = [&signature[..], &signature[..]].concat();
        for wrong in [&[][..], &signature[1..], &signature[..signature.len() - 1], &longer, &padded, &twice] {
            assert!(!verify(message, wrong), "{algorithm}, {} bytes", wrong.len());
        }
        assert!(!verify(message, &vec![0; signature.len()]));
        assert!(!verify(message, &vec![0xff; signature.len()]));
    }
}

#[test]
fn the_type_of_the_key_decides_about_the_algorithm() {
    let (rsa, curve) = (jwks(&[rsa_key()]), jwks(&[curve_key()]));
    for algorithm in
        ["none", "None", "", "HS256", "RS384", "RS512", "PS256", "ES384", "ES256K", "EdDSA", "rs256"]
    {
        assert!(!verifies(&rsa, &json!({ "alg": algorithm }), RSA_TOKEN), "{algorithm}");
        assert!(!verifies(&curve, &json!({ "alg": algorithm }), CURVE_TOKEN), "{algorithm}");
    }
    assert!(!verifies(&rsa, &json!({ "alg": "ES256" }), RSA_TOKEN));
    assert!(!verifies(&rsa, &json!({ "alg": "ES256" }), CURVE_TOKEN));
    assert!(!verifies(&curve, &json!({ "alg": "RS256" }), CURVE_TOKEN));
    assert!(!verifies(&curve, &json!({ "alg": "RS256" }), RSA_TOKEN));

    // The public key as a secret, in the forms that an attacker may have.
    let keys = Keys::from_certificates(SERVER).unwrap();
    for secret in [SERVER.as_bytes().to_vec(), der(SERVER)] {
        let mac = Hmac::<Sha256>::new_from_slice(&secret).unwrap().chain_update(MESSAGE).finalize();
        for algorithm in ["HS256", "RS256", "ES256"] {
            let header = header(&json!({ "alg": algorithm }));
            assert!(keys.verify_as(&header, MESSAGE, &mac.clone().into_bytes(), NOW).is_err());
        }
    }
    assert!(keys.verify_as(&header(&json!({ "alg": "none" })), MESSAGE, b"", NOW).is_err());
}

#[test]
fn without_a_name_there_must_be_one_key_of_the_type() {
    let other = json!({ "kty": "RSA", "n": THUMBPRINT_MODULUS, "e": "AQAB", "kid": "other" });
    assert!(verifies(&jwks(&[rsa_key(), curve_key()]), &json!({ "alg": "RS256" }), RSA_TOKEN));
    let two = jwks(&[rsa_key(), other.clone()]);
    assert!(!verifies(&two, &json!({ "alg": "RS256" }), RSA_TOKEN));

    // A name is enough, and may belong to two keys.
    let two = jwks(&[with(rsa_key(), json!({ "kid": "one" })), other.clone()]);
    assert!(verifies(&two, &json!({ "alg": "RS256", "kid": "one" }), RSA_TOKEN));
    assert!(!verifies(&two, &json!({ "alg": "RS256", "kid": "other" }), RSA_TOKEN));
    let same = jwks(&[other, with(rsa_key(), json!({ "kid": "other" }))]);
    assert!(verifies(&same, &json!({ "alg": "RS256", "kid": "other" }), RSA_TOKEN));
}

#[test]
fn a_key_in_the_header_must_be_a_known_one() {
    let keys = jwks(&[rsa_key(), json!({ "kty": "RSA", "n": THUMBPRINT_MODULUS, "e": "AQAB" })]);
    assert!(verifies(&keys, &json!({ "alg": "RS256", "jwk": rsa_key() }), RSA_TOKEN));
    assert!(!verifies(&keys, &json!({ "alg": "ES256", "jwk": curve_key() }), CURVE_TOKEN));
    assert!(!verifies(&keys, &json!({ "alg": "RS256", "jwk": { "kty": "oct", "k": "AA" } }), RSA_TOKEN));
    assert!(!verifies(&keys, &json!({ "alg": "RS256", "jwk": { "kty": "RSA" } }), RSA_TOKEN));
    let other = json!({ "kty": "RSA", "n": THUMBPRINT_MODULUS, "e": "AQAB" });
    assert!(!verifies(&keys, &json!({ "alg": "RS256", "jwk": other }), RSA_TOKEN));
}

#[test]
fn what_must_be_understood_is_not() {
    let keys = jwks(&[rsa_key()]);
    assert!(!verifies(&keys, &json!({ "alg": "RS256", "crit": ["b64"], "b64": false }), RSA_TOKEN));
}

#[test]
fn keys_have_names_that_everybody_knows() {
    let keys = jwks(&[json!({ "kty": "RSA", "n": THUMBPRINT_MODULUS, "e": "AQAB" })]);
    assert_eq!(keys.keys[0].names, [THUMBPRINT]);

    // Zeros at the beginning change nothing, and neither does padding.
    let decoded = URL_SAFE_NO_PAD.decode(THUMBPRINT_MODULUS).unwrap();
    let longer = URL_SAFE_NO_PAD.encode([&[0], &decoded[..]].concat());
    let keys = jwks(&[json!({ "kty": "RSA", "n": format!("{longer}="), "e": "AAEAAQ==" })]);
    assert_eq!(keys.keys[0].names, [THUMBPRINT]);

    // openssl x509 -in server.pem -noout -pubkey | openssl pkey -pubin -outform DER |
    //     openssl dgst -sha256 -binary | head -c 30 | base32
    let bundle = Keys::from_certificates(&[SERVER, DIRECT, LARGE].concat()).unwrap();
    for (key, (name, algorithm)) in
        bundle.keys.iter().zip([("server", "RS256"), ("direct", "ES256"), ("large", "RS256")])
    {
        assert_eq!(key.names.len(), 2);
        for kid in &key.names {
            let header = header(&json!({ "alg": algorithm, "kid": kid }));
            assert_eq!(bundle.verify_as(&header, MESSAGE, &signature(name), NOW), Ok(()), "{name} {kid}");
        }
    }
    assert_eq!(
        bundle.keys[0].names,
        [
            "XIE3:QX2G:46FN:BC65:TFPY:IOQV:PTYM:7ZRG:UFJD:4M4G:XYJK:NPLV",
            "CpT65j9hjC3JT03OCeXMQkJy_o5cXyG7bj19QdacA-0"
        ]
    );
    assert_eq!(
        bundle.keys[1].names,
        [
            "6QEG:G54T:OAV7:IVNP:ZJ5C:ZAJG:SRV6:4UMQ:2NGJ:DWP4:FDVH:O6LJ",
            "aTcOfyKDeYmirIXBAh766sd1oxCwUBmanVZkg0QQF4Y"
        ]
    );
}

#[test]
fn keys_of_other_kinds_are_passed_over() {
    let others = [
        json!({ "kty": "oct", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ" }),
        json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }),
        json!({ "kty": "EC", "crv": "P-384", "x": "AA", "y": "AA" }),
        json!({ "kty": "new" }),
        with(rsa_key(), json!({ "use": "enc" })),
        with(rsa_key(), json!({ "alg": "RS512" })),
        with(rsa_key(), json!({ "alg": "ES256" })),
        with(curve_key(), json!({ "alg": "ECDH-ES" })),
    ];
    assert_eq!(jwks_error(&others), "there is no RSA or P-256 key for verifying signatures");
    assert_eq!(jwks_error(&[]), "there is no RSA or P-256 key for verifying signatures");
    let keys = jwks(&[&others[..], &[curve_key()]].concat());
    assert_eq!(keys.keys.len(), 1);
    assert_eq!(Keys::from_certificates(&[P384, ROOT].concat()).unwrap().keys.len(), 1);
    assert!(Keys::from_certificates(P384).is_err());
}

#[test]
fn a_broken_key_is_told() {
    for (key, why) in [
        (json!({ "kty": "RSA", "kid": "a", "e": "AQAB" }), r#"the key "a" has no "n" in base64url"#),
        (with(rsa_key(), json!({ "n": "" })), r#"the key "" has no "n" in base64url"#),
        (with(rsa_key(), json!({ "n": "a+/b" })), r#"the key "" has no "n" in base64url"#),
        (
            with(rsa_key(), json!({ "n": "AQAB" })),
            r#"the key "" has 17 bits; RSA keys must have 2048 to 4096"#,
        ),
        (
            with(rsa_key(), json!({ "n": "AAAA" })),
            r#"the key "" has 0 bits; RSA keys must have 2048 to 4096"#,
        ),
        (
            with(rsa_key(), json!({ "n": URL_SAFE_NO_PAD.encode([1; 513]) })),
            r#"the key "" has 4097 bits; RSA keys must have 2048 to 4096"#,
        ),
        (
            with(rsa_key(), json!({ "n": URL_SAFE_NO_PAD.encode([0xfe; 256]) })),
            r#"the key "" is RSA with invalid numbers"#,
        ),
        (with(rsa_key(), json!({ "e": "AQ" })), r#"the key "" is RSA with invalid numbers"#),
        (with(rsa_key(), json!({ "e": "AQAA" })), r#"the key "" is RSA with invalid numbers"#),
        (with(rsa_key(), json!({ "e": "AQAAAAE" })), r#"the key "" is RSA with invalid numbers"#),
        (with(curve_key(), json!({ "x": CURVE_Y })), r#"the key "" is not a point on P-256"#),
        (with(curve_key(), json!({ "y": "AQAB" })), r#"the key "" is not a point on P-256"#),
    ] {
        assert_eq!(jwks_error(&[key]), why);
    }
    for text in
        ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[{}]}"#, r#"{"keys":[{"kty":1}]}"#, r#"{"keys":["#]
    {
        let error = Keys::from_jwks(text).unwrap_err();
        assert!(error.starts_with("not a JSON Web Key Set: "), "{text}: {error}");
    }
}

#[test]
fn a_broken_bundle_is_told() {
    let none = "there is no RSA or P-256 key for verifying signatures";
    let begin = "-----BEGIN CERTIFICATE-----\n";
    let end = "-----END CERTIFICATE-----\n";
    for (pem, why) in [
        (String::new(), none.to_owned()),
        ("no block".to_owned(), none.to_owned()),
        (ROOT.replace("CERTIFICATE", "X509 CRL"), none.to_owned()),
        (ROOT.replace(end, ""), "a CERTIFICATE of the bundle has no end".to_owned()),
        (ROOT.replace(end, "-----END PUBLIC KEY-----"), "a CERTIFICATE of the bundle has no end".to_owned()),
        (format!("{begin}M?==\n{end}"), "a CERTIFICATE of the bundle is not base64".to_owned()),
        (format!("{ROOT}{begin}{end}"), "CERTIFICATE 2 of the bundle is broken".to_owned()),
        (LARGE.replace("PUBLIC KEY", "CERTIFICATE"), "CERTIFICATE 1 of the bundle is broken".to_owned()),
        (ROOT.replace("CERTIFICATE", "PUBLIC KEY"), "PUBLIC KEY 1 of the bundle has a broken key".to_owned()),
        (
            SMALL.to_owned(),
            "CERTIFICATE 1 of the bundle has 1024 bits; RSA keys must have 2048 to 4096".to_owned(),
        ),
    ] {
        assert_eq!(Keys::from_certificates(&pem).unwrap_err(), why, "{pem}");
    }

    let commented =
        format!("# root\r\n{}\nand more\n{}", ROOT.replace('\n', "\r\n"), DIRECT.replace("\n", " \n  "));
    assert_eq!(Keys::from_certificates(&commented).unwrap().keys.len(), 2);
}

#[test]
fn a_certificate_of_the_bundle_signs() {
    assert_eq!(verifies_with(SERVER, &[SERVER], "server", NOW), Ok(()));
    assert_eq!(verifies_with(ROOT, &[ROOT], "root", NOW), Ok(()));
    assert_eq!(verifies_with(&[SERVER, DIRECT].concat(), &[DIRECT], "direct", NOW), Ok(()));
    // Anything after the first one is ignored.
    assert_eq!(verifies_with(DIRECT, &[DIRECT, ROOT, SERVER], "direct", NOW), Ok(()));
    // The first one made the signature.
    let not_signed = Err("the token is not signed by the token server");
    assert_eq!(verifies_with(&[ROOT, DIRECT].concat(), &[DIRECT, ROOT], "root", NOW), not_signed);
    assert_eq!(verifies_with(ROOT, &[ROOT], "direct", NOW), not_signed);
    let not_valid = Err("the token's certificate is not valid at this time");
    assert_eq!(verifies_with(ROOT, &[ROOT], "root", EARLIER), not_valid);
    assert_eq!(verifies_with(ROOT, &[ROOT], "root", LATER), not_valid);
}

/// `root` issued `direct`.
#[test]
fn a_chain_is_not_followed() {
    let not_there = Err("the token's certificate is not in the bundle; chains are not followed");
    for chain in [&[DIRECT][..], &[DIRECT, ROOT]] {
        assert_eq!(verifies_with(ROOT, chain, "direct", NOW), not_there);
        assert_eq!(verifies_with(&[ROOT, DIRECT].concat(), chain, "direct", NOW), Ok(()));
    }
    assert_eq!(verifies_with(ROOT, &[SERVER], "server", NOW), not_there);
    assert_eq!(verifies_with(ROOT, &[SERVER, ROOT], "root", NOW), not_there);
}

#[test]
fn a_touched_certificate_is_refused() {
    let keys = Keys::from_certificates(DIRECT).unwrap();
    let whole = der(DIRECT);
    let verify = |der: &[u8]| {
        let header = header(&json!({ "alg": "ES256", "x5c": [STANDARD.encode(der)] }));
        keys.verify_as(&header, MESSAGE, &signature("direct"), NOW).is_ok()
    };
    assert!(verify(&whole));
    for at in 0..whole.len() {
        let mut touched = whole.clone();
        touched[at] ^= 1 << (at % 8);
        assert!(!verify(&touched), "byte {at}");
        assert!(!verify(&whole[..at]), "{at} bytes");
    }
    assert!(!verify(&[&whole[..], &[0]].concat()));
}

#[test]
fn certificates_go_before_names_where_there_are_some() {
    let chain = [STANDARD.encode(der(SERVER))];
    let named = json!({ "alg": "RS256", "kid": "a", "x5c": chain });
    let mut keys = jwks(&[with(rsa_key(), json!({ "kid": "a" }))]);
    // Without a bundle, no certificate is known.
    assert!(verifies(&keys, &named, RSA_TOKEN));
    keys.extend(Keys::from_certificates(ROOT).unwrap());
    assert!(!verifies(&keys, &named, RSA_TOKEN));
    assert!(verifies(&keys, &json!({ "alg": "RS256", "kid": "a", "x5c": [] }), RSA_TOKEN));
    assert!(verifies(&keys, &json!({ "alg": "RS256", "kid": "a" }), RSA_TOKEN));
    assert!(!verifies(&keys, &json!({ "alg": "RS256", "kid": "a", "x5c": ["?"] }), RSA_TOKEN));
}

#[test]
fn keys_of_two_sources_are_one_set() {
    let mut keys = jwks(&[curve_key()]);
    assert!(!verifies(&keys, &json!({ "alg": "RS256" }), RSA_TOKEN));
    keys.extend(jwks(&[rsa_key()]));
    keys.extend(Keys::from_certificates(ROOT).unwrap());
    assert!(verifies(&keys, &json!({ "alg": "RS256" }), RSA_TOKEN));
    assert!(!verifies(&keys, &json!({ "alg": "ES256" }), CURVE_TOKEN), "there are two");
}

proptest! {
    #[test]
    fn no_bytes_are_too_strange_for_a_certificate(bytes: Vec<u8>) {
        let _ = super::certificate::Certificate::parse(&bytes);
        let _ = super::public_key::PublicKey::from_info(&bytes);
    }

    #[test]
    fn no_change_is_too_strange_for_a_certificate(changes: Vec<(prop::sample::Index, u8)>, rsa: bool) {
        let mut bytes = der(if rsa { SERVER } else { DIRECT });
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(certificate) = super::certificate::Certificate::parse(&bytes) {
            let _ = super::public_key::PublicKey::from_info(&certificate.key_info);
            let _ = certificate.is_valid_at(NOW);
        }
    }

    #[test]
    fn no_text_is_too_strange(text: String) {
        let _ = Keys::from_jwks(&text);
        let _ = Keys::from_certificates(&text);
        let _ = Keys::from_certificates(&format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----"));
    }

    #[test]
    fn no_signature_is_too_strange(message: Vec<u8>, signature: Vec<u8>, full: [u8; 32]) {
        let keys = jwks(&[rsa_key(), curve_key()]);
        for algorithm in ["RS256", "ES256"] {
            let header = header(&json!({ "alg": algorithm }));
            for signature in [signature.clone(), full.repeat(2), full.repeat(8)] {
                prop_assert!(keys.verify_as(&header, &message, &signature, NOW).is_err());
            }
        }
    }
}
