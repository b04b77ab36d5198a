//! The settings, by the names that distribution has for them, and a few of this driver's own.

use core::ops::RangeInclusive;
use std::sync::Mutex;

use lighter_fetch::{Scheme, Timeouts};
use lighter_storage::Settings;

use crate::sign::Signer;

const ACCESSKEY: &str = "REGISTRY_STORAGE_S3_ACCESSKEY";
const SECRETKEY: &str = "REGISTRY_STORAGE_S3_SECRETKEY";
const SESSIONTOKEN: &str = "REGISTRY_STORAGE_S3_SESSIONTOKEN";
const REGION: &str = "REGISTRY_STORAGE_S3_REGION";
const REGIONENDPOINT: &str = "REGISTRY_STORAGE_S3_REGIONENDPOINT";
const BUCKET: &str = "REGISTRY_STORAGE_S3_BUCKET";
const ROOTDIRECTORY: &str = "REGISTRY_STORAGE_S3_ROOTDIRECTORY";
const FORCEPATHSTYLE: &str = "REGISTRY_STORAGE_S3_FORCEPATHSTYLE";
const SECURE: &str = "REGISTRY_STORAGE_S3_SECURE";
const SKIPVERIFY: &str = "REGISTRY_STORAGE_S3_SKIPVERIFY";
const V4AUTH: &str = "REGISTRY_STORAGE_S3_V4AUTH";
const CHUNKSIZE: &str = "REGISTRY_STORAGE_S3_CHUNKSIZE";
const MULTIPARTCOPYTHRESHOLDSIZE: &str = "REGISTRY_STORAGE_S3_MULTIPARTCOPYTHRESHOLDSIZE";
const MULTIPARTCOPYCHUNKSIZE: &str = "REGISTRY_STORAGE_S3_MULTIPARTCOPYCHUNKSIZE";
const MULTIPARTCOPYMAXCONCURRENCY: &str = "REGISTRY_STORAGE_S3_MULTIPARTCOPYMAXCONCURRENCY";
const UPLOADMAXCONCURRENCY: &str = "REGISTRY_STORAGE_S3_UPLOADMAXCONCURRENCY";
const ENCRYPT: &str = "REGISTRY_STORAGE_S3_ENCRYPT";
const KEYID: &str = "REGISTRY_STORAGE_S3_KEYID";
const STORAGECLASS: &str = "REGISTRY_STORAGE_S3_STORAGECLASS";
const OBJECTACL: &str = "REGISTRY_STORAGE_S3_OBJECTACL";
const REDIRECTENDPOINT: &str = "REGISTRY_STORAGE_S3_REDIRECTENDPOINT";
const CONDITIONALWRITES: &str = "REGISTRY_STORAGE_S3_CONDITIONALWRITES";

/// Whether blobs pass through the registry rather than to come from the store.
const REDIRECT_DISABLE: &str = "REGISTRY_STORAGE_REDIRECT_DISABLE";

/// The names of all variables that the driver reads.
pub(crate) const VARIABLES: &[&str] = &[
    ACCESSKEY,
    SECRETKEY,
    SESSIONTOKEN,
    REGION,
    REGIONENDPOINT,
    BUCKET,
    ROOTDIRECTORY,
    FORCEPATHSTYLE,
    SECURE,
    SKIPVERIFY,
    V4AUTH,
    CHUNKSIZE,
    MULTIPARTCOPYTHRESHOLDSIZE,
    MULTIPARTCOPYCHUNKSIZE,
    MULTIPARTCOPYMAXCONCURRENCY,
    UPLOADMAXCONCURRENCY,
    ENCRYPT,
    KEYID,
    STORAGECLASS,
    OBJECTACL,
    REDIRECTENDPOINT,
    CONDITIONALWRITES,
    REDIRECT_DISABLE,
];

const MIB: u64 = 1 << 20;

/// The sizes that a part may have: AWS takes no smaller ones, and a component cannot hold larger ones.
const CHUNKS: RangeInclusive<u64> = 5 * MIB..=64 * MIB;
const DEFAULT_CHUNK: u64 = 8 * MIB;

/// The sizes of what is copied in one request.
const COPIES: RangeInclusive<u64> = 5 * MIB..=5 << 30;
const DEFAULT_COPY: u64 = 32 * MIB;

const CONCURRENCY: RangeInclusive<u64> = 1..=64;
const DEFAULT_COPY_CONCURRENCY: u64 = 8;
const DEFAULT_UPLOAD_CONCURRENCY: u64 = 2;

/// Where requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) scheme: Scheme,
    /// The host, with a port only if it is not the scheme's own.
    pub(crate) authority: String,
    /// What comes before the key in a path: `/`, or `/BUCKET/`.
    pub(crate) path: String,
}

/// What configures the driver.
pub(crate) struct Config {
    pub(crate) signer: Signer,
    pub(crate) endpoint: Endpoint,
    /// Where clients are sent for blobs, if they are.
    pub(crate) redirect: Option<Endpoint>,
    pub(crate) bucket: String,
    /// What comes before each key: nothing, or a path that ends in a slash.
    pub(crate) root: String,
    /// The size of a part, in bytes.
    pub(crate) chunk: u64,
    /// How many parts of an upload are under way at once.
    pub(crate) upload_concurrency: usize,
    /// The size up to which an object is copied in one request.
    pub(crate) copy_threshold: u64,
    /// The size of what is copied in one request of several.
    pub(crate) copy_chunk: u64,
    pub(crate) copy_concurrency: usize,
    /// The headers of every request that makes an object.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// Whether the store has conditional writes, if that need not be found out.
    pub(crate) conditional: Option<bool>,
    pub(crate) timeouts: Timeouts,
}

impl Config {
    /// Reads the settings. Errs, for the log, with the variable that is wrong.
    pub(crate) fn read(settings: &Settings) -> Result<Self, String> {
        let text = |name: &str| settings.get(name).map(str::to_owned);
        let needed = |name: &str, what: &str| text(name).ok_or_else(|| format!("{name} is not set: {what}"));
        let flag = |name: &str| flag(settings, name);
        let number = |name: &str, range, default| number(settings, name, range, default);
        if flag(SKIPVERIFY)? == Some(true) {
            return Err(format!(
                "{SKIPVERIFY}: certificates are checked by the host, which cannot be told to skip that"
            ));
        }
        if flag(V4AUTH)? == Some(false) {
            return Err(format!("{V4AUTH}: there are only signatures of version 4"));
        }
        let bucket = needed(BUCKET, "name the bucket")?;
        let region = match text(REGION) {
            Some(region) => region,
            // The service's default; many stores do not look at it.
            None if settings.get(REGIONENDPOINT).is_some() => "us-east-1".to_owned(),
            None => return Err(format!("{REGION} is not set: name the region, or set {REGIONENDPOINT}")),
        };
        let no_role = "give the driver a key; it cannot take on an IAM role";
        let signer = Signer {
            access_key: needed(ACCESSKEY, no_role)?,
            secret_key: needed(SECRETKEY, no_role)?,
            session_token: text(SESSIONTOKEN),
            region,
            derived: Mutex::default(),
        };
        let scheme = if flag(SECURE)?.unwrap_or(true) { Scheme::Https } else { Scheme::Http };
        let path_style = flag(FORCEPATHSTYLE)?;
        let endpoint = match settings.get(REGIONENDPOINT) {
            Some(url) => named(REGIONENDPOINT, url, scheme, &bucket, path_style.unwrap_or(true))?,
            None => {
                let host = format!("s3.{}.amazonaws.com", signer.region);
                // The certificate has one label for the bucket.
                let path_style = path_style.unwrap_or(bucket.contains('.'));
                named(REGION, &host, scheme, &bucket, path_style)?
            }
        };
        let redirect = match settings.get(REDIRECTENDPOINT) {
            _ if flag(REDIRECT_DISABLE)? == Some(true) => None,
            Some(url) => Some(named(REDIRECTENDPOINT, url, scheme, &bucket, endpoint.path != "/")?),
            None => Some(endpoint.clone()),
        };
        let root = settings.get(ROOTDIRECTORY).unwrap_or_default().trim_matches('/');
        let root = if root.is_empty() { String::new() } else { format!("{root}/") };
        let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        Ok(Self {
            signer,
            endpoint,
            redirect,
            bucket,
            root,
            chunk: number(CHUNKSIZE, CHUNKS, DEFAULT_CHUNK)?,
            upload_concurrency: size(number(UPLOADMAXCONCURRENCY, CONCURRENCY, DEFAULT_UPLOAD_CONCURRENCY)?),
            copy_threshold: number(MULTIPARTCOPYTHRESHOLDSIZE, COPIES, DEFAULT_COPY)?,
            copy_chunk: number(MULTIPARTCOPYCHUNKSIZE, COPIES, DEFAULT_COPY)?,
            copy_concurrency: size(number(
                MULTIPARTCOPYMAXCONCURRENCY,
                CONCURRENCY,
                DEFAULT_COPY_CONCURRENCY,
            )?),
            headers: headers(settings)?,
            conditional: match settings.get(CONDITIONALWRITES) {
                None | Some("auto") => None,
                Some(_) => flag(CONDITIONALWRITES)
                    .map_err(|_| format!("{CONDITIONALWRITES} is auto, true or false"))?,
            },
            timeouts: Timeouts::default(),
        })
    }
}

/// The headers of every request that makes an object.
fn headers(settings: &Settings) -> Result<Vec<(&'static str, String)>, String> {
    let mut headers = Vec::new();
    let mut add = |name, value: &str| headers.push((name, value.to_owned()));
    match (flag(settings, ENCRYPT)?, settings.get(KEYID)) {
        (Some(true), Some(key)) => {
            add("x-amz-server-side-encryption", "aws:kms");
            add("x-amz-server-side-encryption-aws-kms-key-id", key);
        }
        (Some(true), None) => add("x-amz-server-side-encryption", "AES256"),
        (_, Some(_)) => return Err(format!("{KEYID} is set, but {ENCRYPT} is not true")),
        (_, None) => {}
    }
    // As distribution has it, whose NONE stands for a store that knows no classes.
    if let Some(class) = settings.get(STORAGECLASS).filter(|class| *class != "NONE") {
        add("x-amz-storage-class", class);
    }
    if let Some(acl) = settings.get(OBJECTACL) {
        add("x-amz-acl", acl);
    }
    Ok(headers)
}

/// Reads where a store is: a URL, or a host.
fn named(
    variable: &str,
    url: &str,
    scheme: Scheme,
    bucket: &str,
    path_style: bool,
) -> Result<Endpoint, String> {
    let (scheme, rest) = match url.split_once("://") {
        None => (scheme, url),
        Some(("http", rest)) => (Scheme::Http, rest),
        Some(("https", rest)) => (Scheme::Https, rest),
        Some(_) => return Err(format!("{variable} is a URL that begins with http:// or https://")),
    };
    let host = rest.strip_suffix('/').unwrap_or(rest);
    let port = format!(":{}", scheme.default_port());
    // A port that the scheme has anyway is not in the `Host` that is signed.
    let host = host.strip_suffix(&port).unwrap_or(host);
    if host.is_empty() || host.contains(['/', '?', '#', '@', ' ']) {
        return Err(format!("{variable} is a host with an optional port, and has no path: {url:?}"));
    }
    let (authority, path) = match path_style {
        true => (host.to_owned(), format!("/{bucket}/")),
        false => (format!("{bucket}.{host}"), "/".to_owned()),
    };
    Ok(Endpoint { scheme, authority, path })
}

fn flag(settings: &Settings, name: &str) -> Result<Option<bool>, String> {
    match settings.get(name) {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(other) => Err(format!("{name} is true or false, not {other:?}")),
    }
}

fn number(settings: &Settings, name: &str, range: RangeInclusive<u64>, default: u64) -> Result<u64, String> {
    let Some(text) = settings.get(name) else { return Ok(default) };
    text.parse()
        .ok()
        .filter(|number| range.contains(number))
        .ok_or_else(|| format!("{name} is a number from {} to {}, not {text:?}", range.start(), range.end()))
}

#[cfg(test)]
mod tests;
