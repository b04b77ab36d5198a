//! The store itself. What it does with a client is seen in the tests of the driver.

use crate::request::Refusal;
use crate::signature::check;
use crate::time::{http_date, iso_date, read_amz_date};
use crate::{Options, Request};

/// The key and the requests of AWS's documentation of Signature Version 4 for S3.
fn published() -> (Options, i64) {
    let options = Options {
        access_key: "AKIAIOSFODNN7EXAMPLE".to_owned(),
        secret_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
        region: "us-east-1".to_owned(),
        ..Options::default()
    };
    (options, read_amz_date("20130524T000000Z").unwrap())
}

fn request(method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Request {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Request {
        method: method.to_owned(),
        target: target.to_owned(),
        headers,
        body: body.as_bytes().to_vec().into(),
    }
}

#[test]
fn published_signatures_are_right() {
    let (options, now) = published();
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let credential = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request";
    let get = |signature: &str| {
        let authorization = format!(
            "{credential},SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature={signature}"
        );
        let headers = [
            ("host", "examplebucket.s3.amazonaws.com"),
            ("range", "bytes=0-9"),
            ("x-amz-content-sha256", empty),
            ("x-amz-date", "20130524T000000Z"),
            ("authorization", &authorization),
        ];
        check(&request("GET", "/test.txt", &headers, ""), &options, now)
    };
    get("f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41").unwrap();
    let wrong = get("f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb42");
    assert!(matches!(wrong, Err(Refusal(403, "SignatureDoesNotMatch", _))), "{wrong:?}");

    let list = request(
        "GET",
        "/?max-keys=2&prefix=J",
        &[
            ("host", "examplebucket.s3.amazonaws.com"),
            ("x-amz-content-sha256", empty),
            ("x-amz-date", "20130524T000000Z"),
            (
                "authorization",
                &format!(
                    "{credential},SignedHeaders=host;x-amz-content-sha256;x-amz-date,\
                     Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
                ),
            ),
        ],
        "",
    );
    check(&list, &options, now).unwrap();
    let late = check(&list, &options, now + 901);
    assert!(matches!(late, Err(Refusal(403, "RequestTimeTooSkewed", _))), "{late:?}");
}

#[test]
fn a_published_presigned_url_is_right_until_it_expires() {
    let (options, now) = published();
    let target = "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256\
        &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
        &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
        &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
    let get = request("GET", target, &[("host", "examplebucket.s3.amazonaws.com")], "");
    check(&get, &options, now + 86_400).unwrap();
    assert!(matches!(check(&get, &options, now + 86_401), Err(Refusal(403, "AccessDenied", _))));
    let other = request("PUT", target, &[("host", "examplebucket.s3.amazonaws.com")], "");
    assert!(matches!(check(&other, &options, now), Err(Refusal(403, "SignatureDoesNotMatch", _))));
}

#[test]
fn dates_have_two_forms() {
    let seconds = read_amz_date("20240229T235958Z").unwrap();
    assert_eq!(seconds, 1_709_251_198);
    assert_eq!(http_date(seconds), "Thu, 29 Feb 2024 23:59:58 GMT");
    assert_eq!(iso_date(seconds), "2024-02-29T23:59:58.000Z");
    assert_eq!(read_amz_date("20240229T2359"), None);
}
