//! Hooks and groups of routes, asked through real sockets: in which order they are asked, what
//! becomes of their fields, and who answers where no route matches.
//! Knows nothing below the public face.

#[path = "support/http_client.rs"]
mod http_client;

use corelane::{
    Error, Fields, Hook, Method, Next, Reply, Request, Router, Running, Settings, Status, Taken,
};
use http_client::{Client, get, serve};

fn server(make: fn() -> Router) -> Running {
    serve(Settings::default(), move |_| make())
}

/// Tells its name in a field and the order of those that were asked.
struct Step(&'static str);

impl Hook for Step {
    fn name(&self) -> String {
        self.0.to_owned()
    }

    fn before(&mut self, request: &Request<'_>, fields: &mut Fields<'_>) -> Result<Next, Error> {
        fields.set("X-Step", self.0);
        match request.query("stop") {
            Some(stop) if stop == self.0 => Err(Error::new(Status::FORBIDDEN, "stopped")),
            _ if request.query("go").is_some_and(|go| go == self.0) => {
                fields.set("Location", "/elsewhere");
                Ok(Next::Answer(Status::FOUND))
            }
            _ => Ok(Next::Go),
        }
    }

    fn failed(&mut self, _: &Request<'_>, error: Error) -> Error {
        error.with_header("X-Failed", self.0.to_owned())
    }
}

/// The values of all fields of a name.
fn all(answer: &http_client::Answer, name: &str) -> Vec<String> {
    let found = answer.fields.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.clone()).collect()
}

fn nested() -> Router {
    Router::new()
        .with(Step("outer"))
        .get("/", |_, res| res.text("root"))
        .group("/api", |api| {
            api.with(Step("api"))
                .get("/", |_, res| res.text("api"))
                .get("/{id}", |req, res| {
                    res.header("X-Own", "1").text(req.param_text("id")?.as_ref())
                })
                .get("/late/{how}", |req, res| {
                    let how = req.param_text("how")?.into_owned();
                    res.header("X-Own", "1").later(move |later| match how.as_str() {
                        "fail" => later.fail(Error::not_found("late")),
                        "drop" => drop(later),
                        _ => later.answer(Reply::text("late")),
                    })
                })
                .get("/panic", |_, res| {
                    let _ = res.header("X-Own", "1");
                    panic!("on purpose")
                })
                .group("/{user}/things", |things| {
                    things
                        .with(Step("things"))
                        .get("/{id}", |req, res| {
                            let (user, id) = (req.param_text("user")?, req.param_text("id")?);
                            res.text(format_args!("{id} of {user}"))
                        })
                        .fallback(|_, res| res.status(Status::NOT_FOUND).text("no such thing"))
                })
        })
        .group("/", |open| open.with(Step("some")).get("/some", |_, res| res.text("some")))
}

#[test]
fn hooks_are_asked_from_the_outermost_to_the_innermost() {
    let server = server(nested);
    let mut client = Client::to(&server);
    for (path, body, steps) in [
        ("/", "root", &["outer"][..]),
        ("/api", "api", &["outer", "api"]),
        ("/api/7", "7", &["outer", "api"]),
        ("/api/ann/things/3", "3 of ann", &["outer", "api", "things"]),
        ("/some", "some", &["outer", "some"]),
    ] {
        let answer = client.get(path);
        assert_eq!((answer.status, answer.text()), (200, body), "{path}");
        assert_eq!(all(&answer, "x-step"), steps, "{path}");
        assert!(all(&answer, "x-failed").is_empty(), "{path}");
    }
}

#[test]
fn a_hook_that_fails_or_answers_ends_it_there() {
    let server = server(nested);
    let mut client = Client::to(&server);
    let answer = client.get("/api/ann/things/3?stop=api");
    assert_eq!((answer.status, answer.text()), (403, "403 Forbidden\nstopped\n"));
    assert_eq!(all(&answer, "x-step"), ["outer", "api"], "the third was not asked");
    assert_eq!(all(&answer, "x-failed"), ["api", "outer"], "the innermost sees it first");
    let answer = client.get("/api/ann/things/3?go=outer");
    assert_eq!((answer.status, answer.field("location")), (302, Some("/elsewhere")));
    assert_eq!((all(&answer, "x-step"), answer.text()), (vec!["outer".to_owned()], ""));
}

#[test]
fn fields_of_hooks_stay_whatever_is_answered_and_those_of_handlers_do_not() {
    let server = server(nested);
    for (path, status, failed) in [
        ("/api/late/answer", 200, &[][..]),
        ("/api/late/fail", 404, &[]),
        ("/api/late/drop", 500, &[]),
        ("/api/panic", 500, &[]),
        ("/api/%ff", 400, &["api", "outer"]),
    ] {
        let answer = Client::to(&server).get(path);
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(all(&answer, "x-step"), ["outer", "api"], "{path}");
        assert_eq!(all(&answer, "x-failed"), failed, "{path}");
        let own = usize::from(status == 200);
        assert_eq!(all(&answer, "x-own").len(), own, "{path}");
        assert_eq!(all(&answer, "content-type").len(), 1, "{path}");
    }
}

#[test]
fn where_no_route_matches_the_innermost_group_answers() {
    let server = server(nested);
    let mut client = Client::to(&server);
    for (path, text, steps) in [
        ("/nowhere", "404 Not Found\nno route matches the path\n", &["outer"][..]),
        ("/apis", "404 Not Found\nno route matches the path\n", &["outer"]),
        ("/api/", "404 Not Found\nno route matches the path\n", &["outer", "api"]),
        ("/api/1/2/3", "404 Not Found\nno route matches the path\n", &["outer", "api"]),
        ("/api/ann/things", "no such thing", &["outer", "api", "things"]),
        ("/api/ann/things/1/2", "no such thing", &["outer", "api", "things"]),
    ] {
        let answer = client.get(path);
        assert_eq!((answer.status, answer.text()), (404, text), "{path}");
        assert_eq!(all(&answer, "x-step"), steps, "{path}");
    }
    let answer = client.post("/api/7", "", "");
    let allow = Some("GET, HEAD, OPTIONS");
    assert_eq!((answer.status, answer.field("allow")), (405, allow));
    assert_eq!(all(&answer, "x-step"), ["outer", "api"]);
    let answer = client.send("OPTIONS /api/7 HTTP/1.1\r\nHost: a\r\n\r\n").answer();
    assert_eq!((answer.status, answer.field("allow")), (204, allow));
    let expects = "POST /api/7 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\
                   Expect: 100-continue\r\n\r\n";
    let answer = client.send(expects).answer();
    assert_eq!((answer.status, answer.says_close()), (405, true), "before the body");
    assert_eq!(all(&answer, "x-step"), ["outer", "api"]);
    assert_eq!(all(&answer, "x-failed"), ["api", "outer"]);
}

#[test]
fn a_group_without_a_fallback_has_that_of_the_group_around_it() {
    let server = server(|| {
        let inner = |inner: Router| inner.with(Step("inner")).get("/a", |_, res| res.text("a"));
        Router::new()
            .group("/x", |x| x.group("/y", inner).fallback(|_, res| res.text("of x")))
            .group("/z", inner)
            .fallback(|_, res| res.text("of all"))
    });
    let mut client = Client::to(&server);
    for (path, text) in [("/x/y/b", "of x"), ("/x/b", "of x"), ("/z/b", "of all"), ("/b", "of all")]
    {
        assert_eq!(client.get(path).text(), text, "{path}");
    }
}

/// Counts what it takes.
struct Count(usize);

impl corelane::Sink for Count {
    fn take(&mut self, bytes: &[u8]) -> Result<Taken, Error> {
        self.0 += bytes.len();
        Ok(Taken::All)
    }

    fn finish(
        self: Box<Self>,
        request: &Request<'_>,
        res: corelane::Response<'_>,
    ) -> corelane::HandlerResult {
        if request.query("fail").is_some() {
            return Err(Error::bad_request("as asked"));
        }
        res.text(format_args!("{}", self.0))
    }
}

/// Allows bodies of ten bytes.
struct Ten;

impl Hook for Ten {
    fn name(&self) -> String {
        "ten".to_owned()
    }

    fn before(&mut self, request: &Request<'_>, _: &mut Fields<'_>) -> Result<Next, Error> {
        let declared = request.header("content-length").and_then(|len| len.parse().ok());
        if declared.unwrap_or(request.body().len()) > 10 {
            return Err(Error::new(Status::CONTENT_TOO_LARGE, "more than ten"));
        }
        Ok(Next::Go)
    }

    fn body_bytes_max(&self) -> Option<u64> {
        Some(10)
    }
}

#[test]
fn hooks_are_asked_before_the_body_of_an_upload_and_once() {
    let server = server(|| {
        Router::new().group("/up", |up| {
            up.with(Step("up")).with(Ten).upload(Method::Post, "/", |_| Ok(Count(0)))
        })
    });
    let mut client = Client::to(&server);
    let answer = client.post("/up", "", "0123456789");
    assert_eq!((answer.text(), all(&answer, "x-step").len()), ("10", 1));
    let answer = client.post("/up", "", "");
    assert_eq!((answer.text(), all(&answer, "x-step").len()), ("0", 1));
    let answer = client.post("/up?fail", "", "x");
    assert_eq!((answer.status, all(&answer, "x-step").len()), (400, 1));
    assert_eq!(all(&answer, "x-failed"), ["up"]);
    // Its body never comes.
    for (target, length, status) in
        [("/up?stop=up", 5, 403), ("/up", 11, 413), ("/up?go=up", 5, 302)]
    {
        let head = format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
        let answer = Client::to(&server).send(head).answer();
        assert_eq!((answer.status, answer.says_close()), (status, true), "{target}");
        assert_eq!(all(&answer, "x-step"), ["up"], "{target}");
    }
    let chunked = "POST /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                   6\r\n012345\r\n5\r\n67890\r\n";
    let answer = Client::to(&server).send(chunked).answer();
    assert_eq!((answer.status, all(&answer, "x-step").len()), (413, 1));
}

#[test]
fn a_whole_body_that_is_declared_too_long_is_not_read() {
    let server = server(|| {
        Router::new().group("/whole", |whole| {
            whole.with(Step("w")).with(Ten).post("/", |req, res| res.bytes(req.body()))
        })
    });
    let mut client = Client::to(&server);
    let answer = client.post("/whole", "", "0123456789");
    assert_eq!((answer.status, all(&answer, "x-step").len()), (200, 1));
    let head = "POST /whole HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n";
    let answer = client.send(head).answer();
    assert_eq!((answer.status, answer.says_close()), (413, true));
    assert_eq!(all(&answer, "x-step"), ["w"]);
}

#[test]
fn a_field_that_could_split_the_answer_is_500() {
    let server = server(|| {
        Router::new()
            .before("odd", |req, fields| {
                let value = req.param_text("x").is_err().then(|| req.query("v")).flatten();
                fields.set("X-Odd", value.unwrap_or_default().as_bytes());
                Ok(Next::Go)
            })
            .get("/", |_, res| res.text("ok"))
    });
    let mut client = Client::to(&server);
    assert_eq!(client.get("/?v=even").field("x-odd"), Some("even"));
    let answer = client.get("/?v=a%0d%0aX-B:+c");
    assert_eq!((answer.status, answer.field("x-b")), (500, None));
}

#[test]
fn the_routes_are_listed_with_their_hooks() {
    let lines = nested().lines();
    let shown: Vec<String> = lines
        .iter()
        .map(|line| format!("{} {} {}", line.method.name(), line.pattern, line.hooks.join(",")))
        .collect();
    assert_eq!(
        shown,
        [
            "GET / outer",
            "GET /api outer,api",
            "GET /api/{id} outer,api",
            "GET /api/late/{how} outer,api",
            "GET /api/panic outer,api",
            "GET /api/{user}/things/{id} outer,api,things",
            "GET /some outer,some",
        ]
    );
}

#[test]
fn what_is_wrong_with_groups_is_an_error_at_start() {
    use corelane::Handler;
    let route = |router: Router| router.get("/a", |_, res| res.empty());
    for (router, fault) in [
        (route(Router::new()).with(Step("late")), "the hook late stands behind a route"),
        (Router::new().group("api", route), "the group api: it begins with `/`"),
        (Router::new().group("/api/", route), "does not end with it"),
        (Router::new().group("/x/{*y}", route), "{*name} stands only at the end"),
        (Router::new().group("/", |all| all.fallback(|_, res| res.empty())), "no fallback"),
        (route(Router::new()).group("/", route), "match the same paths"),
        (Router::new().group("/x", |x| x.get("no", |_, res| res.empty())), "begins with `/`"),
        (
            Router::new().group("/x", |x| x.with(Step("1"))).group("/x", |x| x.with(Step("2"))),
            "the group /x: another route has the same paths",
        ),
        (Router::new().group("/x", |x| x.vital("/y")), "vital /x/y: no route"),
    ] {
        let found = router.check().expect_err(fault);
        assert!(found.contains(fault), "{found}");
    }
}

#[test]
fn pipelined_requests_keep_their_own_fields() {
    let server = server(nested);
    let mut client = Client::to(&server);
    let batch = [get("/api/1?stop=outer"), get("/api/2"), get("/api"), get("/")].concat();
    client.send(batch);
    let counts: Vec<usize> = (0..4).map(|_| all(&client.answer(), "x-step").len()).collect();
    assert_eq!(counts, [1, 2, 2, 1]);
}
