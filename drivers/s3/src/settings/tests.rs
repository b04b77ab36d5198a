//! The settings, as an operator writes them.

use super::*;

const KEYS: [(&str, &str); 3] = [(ACCESSKEY, "key"), (SECRETKEY, "secret"), (BUCKET, "images")];

fn read(variables: &[(&str, &str)]) -> Result<Config, String> {
    let all = KEYS.iter().chain(variables).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::read(&Settings::new(all, VARIABLES.to_vec(), |_| Err(String::new())))
}

fn endpoint(variables: &[(&str, &str)]) -> (Scheme, String, String) {
    let Endpoint { scheme, authority, path } = read(variables).unwrap().endpoint;
    (scheme, authority, path)
}

fn found(scheme: Scheme, authority: &str, path: &str) -> (Scheme, String, String) {
    (scheme, authority.to_owned(), path.to_owned())
}

#[test]
fn the_store_of_a_region_is_known() {
    let region = (REGION, "eu-west-1");
    assert_eq!(endpoint(&[region]), found(Scheme::Https, "images.s3.eu-west-1.amazonaws.com", "/"));
    assert_eq!(
        endpoint(&[region, (BUCKET, "a.b")]),
        found(Scheme::Https, "s3.eu-west-1.amazonaws.com", "/a.b/")
    );
    assert_eq!(
        endpoint(&[region, (FORCEPATHSTYLE, "true"), (SECURE, "false")]),
        found(Scheme::Http, "s3.eu-west-1.amazonaws.com", "/images/")
    );
}

#[test]
fn a_store_may_be_anywhere() {
    for (url, scheme, authority) in [
        ("http://127.0.0.1:3900", Scheme::Http, "127.0.0.1:3900"),
        ("https://store/", Scheme::Https, "store"),
        ("store:9000", Scheme::Https, "store:9000"),
        // A default port is none.
        ("https://store:443", Scheme::Https, "store"),
        ("http://store:80/", Scheme::Http, "store"),
        ("http://store:443", Scheme::Http, "store:443"),
    ] {
        assert_eq!(endpoint(&[(REGIONENDPOINT, url)]), found(scheme, authority, "/images/"), "{url}");
    }
    let apart = [(REGIONENDPOINT, "http://store:1"), (FORCEPATHSTYLE, "false")];
    assert_eq!(endpoint(&apart), found(Scheme::Http, "images.store:1", "/"));
    assert_eq!(read(&apart).unwrap().signer.region, "us-east-1");
}

#[test]
fn clients_are_sent_to_the_store_or_nowhere() {
    let store = (REGIONENDPOINT, "http://store:1");
    let redirect = |variables: &[(&str, &str)]| read(variables).unwrap().redirect.map(|to| to.authority);
    assert_eq!(redirect(&[store]).as_deref(), Some("store:1"));
    assert_eq!(redirect(&[store, (REDIRECTENDPOINT, "https://cdn")]).as_deref(), Some("cdn"));
    assert_eq!(redirect(&[store, (REDIRECT_DISABLE, "true")]), None);
}

#[test]
fn keys_may_have_a_root() {
    let root = |root| read(&[(REGION, "r"), (ROOTDIRECTORY, root)]).unwrap().root;
    assert_eq!((root(""), root("/"), root("/a/b/")), (String::new(), String::new(), "a/b/".to_owned()));
}

#[test]
fn objects_are_made_as_is_asked_for() {
    let headers = |variables: &[(&str, &str)]| read(&[&[(REGION, "r")], variables].concat()).unwrap().headers;
    assert_eq!(headers(&[(STORAGECLASS, "NONE")]), []);
    assert_eq!(
        headers(&[
            (ENCRYPT, "true"),
            (KEYID, "k"),
            (STORAGECLASS, "REDUCED_REDUNDANCY"),
            (OBJECTACL, "private")
        ]),
        [
            ("x-amz-server-side-encryption", "aws:kms".to_owned()),
            ("x-amz-server-side-encryption-aws-kms-key-id", "k".to_owned()),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY".to_owned()),
            ("x-amz-acl", "private".to_owned()),
        ]
    );
}

#[test]
fn what_is_wrong_is_told_with_its_variable() {
    let region = (REGION, "r");
    for (variables, told) in [
        (vec![], "REGISTRY_STORAGE_S3_REGION is not set"),
        (vec![region, (BUCKET, "")], ""),
        (vec![region, (SKIPVERIFY, "true")], "REGISTRY_STORAGE_S3_SKIPVERIFY: certificates are checked"),
        (vec![region, (V4AUTH, "false")], "REGISTRY_STORAGE_S3_V4AUTH: there are only"),
        (vec![region, (KEYID, "k")], "REGISTRY_STORAGE_S3_KEYID is set"),
        (vec![region, (CHUNKSIZE, "1000")], "REGISTRY_STORAGE_S3_CHUNKSIZE is a number from 5242880 to"),
        (vec![region, (SECURE, "yes")], "REGISTRY_STORAGE_S3_SECURE is true or false"),
        (
            vec![region, (CONDITIONALWRITES, "yes")],
            "REGISTRY_STORAGE_S3_CONDITIONALWRITES is auto, true or false",
        ),
        (vec![(REGIONENDPOINT, "ftp://a")], "REGISTRY_STORAGE_S3_REGIONENDPOINT is a URL"),
        (vec![(REGIONENDPOINT, "http://a/b")], "REGISTRY_STORAGE_S3_REGIONENDPOINT is a host"),
    ] {
        let error = read(&variables).err().unwrap_or_default();
        assert!(error.starts_with(told), "{variables:?}: {error}");
        assert_eq!(error.is_empty(), told.is_empty(), "{variables:?}: {error}");
    }
    let none =
        Settings::new([(REGION.to_owned(), "r".to_owned())], VARIABLES.to_vec(), |_| Err(String::new()));
    assert_eq!(Config::read(&none).err().unwrap(), "REGISTRY_STORAGE_S3_BUCKET is not set: name the bucket");
}
