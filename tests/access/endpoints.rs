//! Every endpoint for every kind of caller.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::thread;

use insta::assert_snapshot;

use super::{Caller, SCOPE, claims, options, signed};
use crate::client::Response;
use crate::content::sha256;
use crate::images::MANIFEST;
use crate::manifests::image;
use crate::pages::form;
use crate::server::{SECRET, Server};
use crate::tables::rows;

/// All kinds of callers.
fn callers(server: &Server) -> Vec<(&'static str, Caller<'_>)> {
    let user = |name| Caller::user(server, name);
    let with = |authorization: &str| Caller::with(server, authorization);
    let scopes = format!(
        "scope={SCOPE}&scope=repository:public/app:pull,push,delete&scope=registry:catalog:*&scope=registry:admin:*"
    );
    vec![
        ("nobody", Caller::nobody(server)),
        ("nobody, as skopeo says it", with("Basic Og==")),
        ("ann, with a wrong password", with(&super::basic("ann", "wrong"))),
        ("ann, who may do everything", user("ann")),
        ("cy, whose group may push", user("cy")),
        ("bob, who has no rights here", user("bob")),
        ("a token for nobody", Caller::nobody(server).with_token(&scopes)),
        ("ann's token", user("ann").with_token(&scopes)),
        ("cy's token", user("cy").with_token(&scopes)),
        ("bob's token", user("bob").with_token(&scopes)),
        ("ann's token for nothing", user("ann").with_token("")),
        ("ann's token for another repository", user("ann").with_token("scope=repository:team/x:*")),
        ("ann's token that has expired", with(&signed(SECRET, &claims(1000, SCOPE)))),
        ("a token of another registry", with(&signed("another", &claims(0, SCOPE)))),
    ]
}

/// A valid request for a row of the endpoint table, apart from the caller. Each caller has content of its own to delete.
fn ask(
    owner: &Caller,
    caller: &Caller,
    number: usize,
    method: &str,
    row: &str,
    repository: &str,
) -> Response {
    let target = row.replace("<name>", repository).replace("<command>", "uploads");
    let blob = match method {
        "DELETE" => sha256(number.to_string().as_bytes()),
        _ => sha256(b"hello"),
    };
    let tag = match method {
        "DELETE" => format!("v{number}"),
        "POST" => format!("page-{number}"),
        _ => "v1".to_owned(),
    };
    let target = target.replace("<digest>", &blob).replace("<reference>", &tag);
    match (method, row) {
        (_, "/v2/<name>/blobs/uploads/<uuid>") => {
            let started = owner.send("POST", &format!("/v2/{repository}/blobs/uploads/"));
            let request = caller.request(method, &started.completed_by(&sha256(b"abc")));
            request.body(if matches!(method, "PATCH" | "PUT") { "abc" } else { "" }).send()
        }
        // The form is bound to the caller, so one that was made for somebody else shows nothing.
        ("POST", "/ui/<name>:<reference>/delete") => {
            let page = caller.send("GET", &target);
            let body = if page.status() == "200 OK" { form(&page) } else { String::new() };
            caller.request(method, &target).body(body).send()
        }
        ("PUT", _) => caller.request(method, &target).header("Content-Type", MANIFEST).body(image()).send(),
        _ => caller.send(method, &target),
    }
}

/// The statuses for every caller at every endpoint: a line for each endpoint, a column for each caller,
/// and a letter for the challenge that came with it.
fn table(repository: &str, wanted: impl Fn(&str, &str) -> bool) -> String {
    let server = options().start();
    let owner = Caller::user(&server, "ann");
    let callers = callers(&server);
    let own = |number| [format!("v{number}"), format!("page-{number}")];
    let tags: Vec<String> = (0..=callers.len()).flat_map(own).collect();
    owner.push_image(repository, &tags.iter().map(String::as_str).collect::<Vec<_>>());
    (0..callers.len()).for_each(|number| _ = owner.push_blob(repository, number.to_string().as_bytes()));
    let endpoints: Vec<(&str, &str)> = rows(include_str!("../../src/lib.rs"))
        .flat_map(|row| row[1].split(' ').map(move |method| (method, row[0].trim_end_matches('`'))))
        .filter(|(method, row)| wanted(method, row))
        .collect();

    // A wrong password takes a second: all requests of one caller are sent at once.
    let of_caller = |(number, (_, caller)): (usize, &(&str, Caller))| {
        thread::scope(|scope| {
            let ask = |(method, row)| ask(&owner, caller, number, method, row, repository);
            let asked: Vec<_> =
                endpoints.iter().map(|endpoint| scope.spawn(move || ask(*endpoint))).collect();
            asked.into_iter().map(|asked| asked.join().unwrap()).collect::<Vec<_>>()
        })
    };
    let answers: Vec<Vec<Response>> = callers.iter().enumerate().map(of_caller).collect();

    let mut challenges: Vec<String> = Vec::new();
    let mut lines = String::new();
    for (index, (method, row)) in endpoints.iter().enumerate() {
        let mut line = format!("{method:6} {row:34}");
        let mut scopes = BTreeSet::new();
        for answer in answers.iter().map(|answers| &answers[index]) {
            let (status, _) = answer.status().split_once(' ').unwrap();
            let mark = answer.find("www-authenticate").map(|challenge| {
                let challenge = challenge.replace(&server.address().to_string(), "<registry>");
                let (challenge, scope) = without_scope(&challenge);
                scopes.extend(scope);
                let known = challenges.iter().position(|known| *known == challenge);
                known.unwrap_or_else(|| {
                    challenges.push(challenge);
                    challenges.len() - 1
                })
            });
            let mark = mark.map_or(' ', |mark| char::from(b'a' + u8::try_from(mark).unwrap()));
            write!(line, "{status}{mark} ").unwrap();
        }
        let scopes: Vec<String> = scopes.into_iter().collect();
        line += &scopes.join(" or ");
        writeln!(lines, "{}", line.trim_end()).unwrap();
    }
    let mut text = String::new();
    for (number, (who, _)) in callers.iter().enumerate() {
        writeln!(text, "{:41}{}| {who}", "", "|    ".repeat(number)).unwrap();
    }
    text += &lines;
    for (mark, challenge) in challenges.iter().enumerate() {
        writeln!(text, "{}: {challenge}", char::from(b'a' + u8::try_from(mark).unwrap())).unwrap();
    }
    text
}

/// Takes the scope out of a challenge.
fn without_scope(challenge: &str) -> (String, Option<String>) {
    let Some((before, rest)) = challenge.split_once("scope=\"") else { return (challenge.to_owned(), None) };
    let (scope, after) = rest.split_once('"').unwrap();
    (format!("{before}scope=\"<scope>\"{after}"), Some(scope.to_owned()))
}

#[test]
fn every_endpoint_asks_everybody_for_their_rights() {
    assert_snapshot!(table("team/app", |_, _| true), @r#"
                                             | nobody
                                             |    | nobody, as skopeo says it
                                             |    |    | ann, with a wrong password
                                             |    |    |    | ann, who may do everything
                                             |    |    |    |    | cy, whose group may push
                                             |    |    |    |    |    | bob, who has no rights here
                                             |    |    |    |    |    |    | a token for nobody
                                             |    |    |    |    |    |    |    | ann's token
                                             |    |    |    |    |    |    |    |    | cy's token
                                             |    |    |    |    |    |    |    |    |    | bob's token
                                             |    |    |    |    |    |    |    |    |    |    | ann's token for nothing
                                             |    |    |    |    |    |    |    |    |    |    |    | ann's token for another repository
                                             |    |    |    |    |    |    |    |    |    |    |    |    | ann's token that has expired
                                             |    |    |    |    |    |    |    |    |    |    |    |    |    | a token of another registry
    GET    /                                 200  200  200  200  200  200  200  200  200  200  200  200  200  200
    HEAD   /                                 200  200  200  200  200  200  200  200  200  200  200  200  200  200
    GET    /v2/                              401a 401a 401b 200  200  200  200  200  200  200  200  200  401b 401b
    HEAD   /v2/                              401a 401a 401b 200  200  200  200  200  200  200  200  200  401b 401b
    POST   /v2/<name>/blobs/uploads/         401c 401c 401d 202  202  403  401e 202  202  403  401e 401e 401d 401d repository:team/app:pull,push
    GET    /v2/<name>/blobs/uploads/<uuid>   401c 401c 401d 204  204  403  401e 204  204  403  401e 401e 401d 401d repository:team/app:pull,push
    HEAD   /v2/<name>/blobs/uploads/<uuid>   401c 401c 401d 204  204  403  401e 204  204  403  401e 401e 401d 401d repository:team/app:pull,push
    PATCH  /v2/<name>/blobs/uploads/<uuid>   401c 401c 401d 202  202  403  401e 202  202  403  401e 401e 401d 401d repository:team/app:pull,push
    PUT    /v2/<name>/blobs/uploads/<uuid>   401c 401c 401d 201  201  403  401e 201  201  403  401e 401e 401d 401d repository:team/app:pull,push
    DELETE /v2/<name>/blobs/uploads/<uuid>   401c 401c 401d 204  204  403  401e 204  204  403  401e 401e 401d 401d repository:team/app:pull,push
    GET    /v2/<name>/blobs/<digest>         401c 401c 401d 200  200  403  401e 200  200  403  401e 401e 401d 401d repository:team/app:pull
    HEAD   /v2/<name>/blobs/<digest>         401c 401c 401d 200  200  403  401e 200  200  403  401e 401e 401d 401d repository:team/app:pull
    DELETE /v2/<name>/blobs/<digest>         401c 401c 401d 202  403  403  401e 202  403  403  401e 401e 401d 401d repository:team/app:delete
    GET    /v2/<name>/manifests/<reference>  401c 401c 401d 200  200  403  401e 200  200  403  401e 401e 401d 401d repository:team/app:pull
    HEAD   /v2/<name>/manifests/<reference>  401c 401c 401d 200  200  403  401e 200  200  403  401e 401e 401d 401d repository:team/app:pull
    PUT    /v2/<name>/manifests/<reference>  401c 401c 401d 201  201  403  401e 201  201  403  401e 401e 401d 401d repository:team/app:pull,push
    DELETE /v2/<name>/manifests/<reference>  401c 401c 401d 202  403  403  401e 202  403  403  401e 401e 401d 401d repository:team/app:delete
    GET    /v2/<name>/tags/list              401c 401c 401d 200  200  403  401e 200  200  403  401e 401e 401d 401d repository:team/app:pull
    HEAD   /v2/<name>/tags/list              401c 401c 401d 200  200  403  401e 200  200  403  401e 401e 401d 401d repository:team/app:pull
    GET    /v2/<name>/referrers/<digest>     401c 401c 401d 200  200  403  401e 200  200  403  401e 401e 401d 401d repository:team/app:pull
    HEAD   /v2/<name>/referrers/<digest>     401c 401c 401d 200  200  403  401e 200  200  403  401e 401e 401d 401d repository:team/app:pull
    GET    /v2/_catalog                      401c 401c 401d 200  200  200  401e 200  200  200  401e 401e 401d 401d registry:catalog:*
    HEAD   /v2/_catalog                      401c 401c 401d 200  200  200  401e 200  200  200  401e 401e 401d 401d registry:catalog:*
    POST   /v2/_lighter/<command>            401c 401c 401d 200  403  403  401e 200  403  403  401e 401e 401d 401d registry:admin:*
    GET    /token                            200  200  401f 200  200  200  400f 400f 400f 400f 400f 400f 400f 400f
    POST   /token                            400  400  400  400  400  400  400  400  400  400  400  400  400  400
    GET    /ui/                              401f 401f 401f 200  200  200  401f 200  200  200  401f 401f 401f 401f
    HEAD   /ui/                              401f 401f 401f 200  200  200  401f 200  200  200  401f 401f 401f 401f
    GET    /ui/_style.css                    200  200  200  200  200  200  200  200  200  200  200  200  200  200
    HEAD   /ui/_style.css                    200  200  200  200  200  200  200  200  200  200  200  200  200  200
    GET    /ui/_icon.svg                     200  200  200  200  200  200  200  200  200  200  200  200  200  200
    HEAD   /ui/_icon.svg                     200  200  200  200  200  200  200  200  200  200  200  200  200  200
    GET    /ui/_login                        401f 401f 401f 303  303  303  303  303  303  303  303  303  401f 401f
    HEAD   /ui/_login                        401f 401f 401f 303  303  303  303  303  303  303  303  303  401f 401f
    GET    /ui/<name>                        401f 401f 401f 200  200  403  401f 200  200  403  401f 401f 401f 401f
    HEAD   /ui/<name>                        401f 401f 401f 200  200  403  401f 200  200  403  401f 401f 401f 401f
    GET    /ui/<name>:<reference>            401f 401f 401f 200  200  403  401f 200  200  403  401f 401f 401f 401f
    HEAD   /ui/<name>:<reference>            401f 401f 401f 200  200  403  401f 200  200  403  401f 401f 401f 401f
    GET    /ui/<name>:<reference>/delete     401f 401f 401f 200  403  403  401f 200  403  403  401f 401f 401f 401f
    HEAD   /ui/<name>:<reference>/delete     401f 401f 401f 200  403  403  401f 200  403  403  401f 401f 401f 401f
    POST   /ui/<name>:<reference>/delete     401f 401f 401f 303  403  403  401f 303  403  403  401f 401f 401f 401f
    a: Bearer realm="http://<registry>/token",service="lighter"
    b: Bearer realm="http://<registry>/token",service="lighter",error="invalid_token"
    c: Bearer realm="http://<registry>/token",service="lighter",scope="<scope>"
    d: Bearer realm="http://<registry>/token",service="lighter",scope="<scope>",error="invalid_token"
    e: Bearer realm="http://<registry>/token",service="lighter",scope="<scope>",error="insufficient_scope"
    f: Basic realm="Lighter"
    "#);
}

#[test]
fn what_is_public_is_read_by_everybody() {
    let wanted =
        |method: &str, row: &str| row.contains("<name>") && method != "HEAD" && !row.contains("<uuid>");
    assert_snapshot!(table("public/app", wanted), @r#"
                                             | nobody
                                             |    | nobody, as skopeo says it
                                             |    |    | ann, with a wrong password
                                             |    |    |    | ann, who may do everything
                                             |    |    |    |    | cy, whose group may push
                                             |    |    |    |    |    | bob, who has no rights here
                                             |    |    |    |    |    |    | a token for nobody
                                             |    |    |    |    |    |    |    | ann's token
                                             |    |    |    |    |    |    |    |    | cy's token
                                             |    |    |    |    |    |    |    |    |    | bob's token
                                             |    |    |    |    |    |    |    |    |    |    | ann's token for nothing
                                             |    |    |    |    |    |    |    |    |    |    |    | ann's token for another repository
                                             |    |    |    |    |    |    |    |    |    |    |    |    | ann's token that has expired
                                             |    |    |    |    |    |    |    |    |    |    |    |    |    | a token of another registry
    POST   /v2/<name>/blobs/uploads/         401a 401a 401b 202  403  403  401c 202  403  403  401c 401c 401b 401b repository:public/app:pull,push
    GET    /v2/<name>/blobs/<digest>         200  200  401b 200  200  200  200  200  200  200  401c 401c 401b 401b repository:public/app:pull
    DELETE /v2/<name>/blobs/<digest>         401a 401a 401b 202  403  403  401c 202  403  403  401c 401c 401b 401b repository:public/app:delete
    GET    /v2/<name>/manifests/<reference>  200  200  401b 200  200  200  200  200  200  200  401c 401c 401b 401b repository:public/app:pull
    PUT    /v2/<name>/manifests/<reference>  401a 401a 401b 201  403  403  401c 201  403  403  401c 401c 401b 401b repository:public/app:pull,push
    DELETE /v2/<name>/manifests/<reference>  401a 401a 401b 202  403  403  401c 202  403  403  401c 401c 401b 401b repository:public/app:delete
    GET    /v2/<name>/tags/list              200  200  401b 200  200  200  200  200  200  200  401c 401c 401b 401b repository:public/app:pull
    GET    /v2/<name>/referrers/<digest>     200  200  401b 200  200  200  200  200  200  200  401c 401c 401b 401b repository:public/app:pull
    GET    /ui/<name>                        200  200  401d 200  200  200  200  200  200  200  401d 401d 401d 401d
    GET    /ui/<name>:<reference>            200  200  401d 200  200  200  200  200  200  200  401d 401d 401d 401d
    GET    /ui/<name>:<reference>/delete     401d 401d 401d 200  403  403  401d 200  403  403  401d 401d 401d 401d
    POST   /ui/<name>:<reference>/delete     401d 401d 401d 303  403  403  401d 303  403  403  401d 401d 401d 401d
    a: Bearer realm="http://<registry>/token",service="lighter",scope="<scope>"
    b: Bearer realm="http://<registry>/token",service="lighter",scope="<scope>",error="invalid_token"
    c: Bearer realm="http://<registry>/token",service="lighter",scope="<scope>",error="insufficient_scope"
    d: Basic realm="Lighter"
    "#);
}

#[test]
fn answers_say_no_more_than_that() {
    let server = options().start();
    let target = "/v2/team/app/manifests/v1";
    let address = server.address().to_string();
    let of = |caller: Caller| caller.send("GET", target).to_string().replace(&address, "<registry>");
    assert_snapshot!(of(Caller::nobody(&server)), @r#"
    401 Unauthorized
    content-length: 139
    content-type: application/json
    www-authenticate: Bearer realm="http://<registry>/token",service="lighter",scope="repository:team/app:pull"

    {"errors":[{"code":"UNAUTHORIZED","message":"authentication required","detail":"log in, or get a token with the scope of the challenge"}]}
    "#);
    assert_snapshot!(of(Caller::user(&server, "bob")), @r#"
    403 Forbidden
    content-length: 128
    content-type: application/json

    {"errors":[{"code":"DENIED","message":"requested access to the resource is denied","detail":"you are not allowed to do this"}]}
    "#);
    assert_snapshot!(of(Caller::user(&server, "ann").with_token("")), @r#"
    401 Unauthorized
    content-length: 139
    content-type: application/json
    www-authenticate: Bearer realm="http://<registry>/token",service="lighter",scope="repository:team/app:pull",error="insufficient_scope"

    {"errors":[{"code":"UNAUTHORIZED","message":"authentication required","detail":"log in, or get a token with the scope of the challenge"}]}
    "#);
    assert_snapshot!(of(Caller::with(&server, "Bearer x")), @r#"
    401 Unauthorized
    content-length: 125
    content-type: application/json
    www-authenticate: Bearer realm="http://<registry>/token",service="lighter",scope="repository:team/app:pull",error="invalid_token"

    {"errors":[{"code":"UNAUTHORIZED","message":"authentication required","detail":"the token is not valid for this registry"}]}
    "#);
    // Whether there is such a repository makes no difference.
    let there = Caller::user(&server, "ann");
    there.push_image("team/app", &["v1"]);
    for caller in [Caller::nobody(&server), Caller::user(&server, "bob")] {
        let (one, other) = (caller.send("GET", target), caller.send("GET", "/v2/team/none/manifests/v1"));
        assert_eq!(one.to_string(), other.to_string().replace("team/none", "team/app"));
    }
}

#[test]
fn everybody_may_ask_for_the_health() {
    let server = options().start();
    for authorization in ["Bearer x", "Basic x", "Negotiate x"] {
        let answer = server.get("/").header("Authorization", authorization).send();
        assert_eq!(answer.status(), "200 OK", "{authorization}: {answer}");
    }
}
