//! `corelane routes`: what would be served, a line a route. Knows nothing of the library but what
//! an application's own routes tell.

#![cfg(feature = "cli")]

use std::process::{Command, Output};

use corelane::app::middleware::{RequestId, Timeout};
use corelane::{Fields, Files, Method, Multipart, Next, Prepared, Request, Router};

fn routes(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_corelane"));
    command.arg("routes").args(args).env_remove("CORELANE_CONFIG").output().unwrap()
}

fn said(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn each_route_of_a_file_has_its_line() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("public")).unwrap();
    let file = folder.path().join("corelane.toml");
    let text = "[[route]]\npath = \"/health\"\nhealth = true\n\n\
        [[route]]\npath = \"/old/{*rest}\"\nredirect = \"https://example.org/\"\nstatus = 308\n\n\
        [[route]]\npath = \"/robots.txt\"\nbody = \"none\"\nmethod = \"POST\"\n\n\
        [[route]]\npath = \"/static\"\nfiles = \"public\"\n";
    std::fs::write(&file, text).unwrap();
    let output = routes(&["--config", file.to_str().unwrap()]);
    let public = folder.path().join("public");
    let public = public.display();
    let wanted = format!(
        "GET\t/health\thealth\t-\n\
         GET\t/old/{{*rest}}\t308 https://example.org/\t-\n\
         POST\t/robots.txt\t200 4 bytes\t-\n\
         GET\t/static\tfiles {public}\t-\n\
         GET\t/static/\tfiles {public}\t-\n\
         GET\t/static/{{*path}}\tfiles {public}\t-\n"
    );
    assert_eq!(said(&output.stdout), wanted);
    assert_eq!((output.status.code(), said(&output.stderr)), (Some(0), ""));
    std::fs::write(&file, "[[route]]\npath = \"x\"\nhealth = true\n").unwrap();
    let output = routes(&["--config", file.to_str().unwrap()]);
    assert_eq!((output.status.code(), said(&output.stdout)), (Some(2), ""));
    assert!(said(&output.stderr).starts_with("error: "));
}

#[test]
fn a_file_without_routes_serves_none_and_the_demonstration_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("corelane.toml");
    std::fs::write(&file, "idle-time = \"30s\"\n").unwrap();
    assert_eq!(said(&routes(&["--config", file.to_str().unwrap()]).stdout), "");
    std::fs::write(&file, "demo = true\n").unwrap();
    let output = routes(&["--config", file.to_str().unwrap()]);
    assert!(said(&output.stdout).contains("GET\t/plaintext\thandler\t-\n"));
}

#[test]
fn an_application_names_its_hooks_in_their_order() {
    let go = |_: &Request<'_>, _: &mut Fields<'_>| Ok(Next::Go);
    let router = Router::new().with(RequestId::new()).get("/", |_, res| res.text("")).group(
        "/in",
        |group| {
            let group = group.with(Timeout::after(std::time::Duration::from_secs(5)));
            group.before("mine", go).upload(Method::Put, "/{id}", |req| {
                Multipart::new().begin(req, |_, _, res| res.empty())
            })
        },
    );
    let lines: Vec<_> = router.lines().iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        ["GET\t/\thandler\trequest_id", "PUT\t/in/{id}\tupload\trequest_id, timeout(5s), mine",]
    );
}

#[test]
fn an_application_tells_its_files_and_what_it_prepared_from_handlers() {
    let page = Prepared::html("<h1>home</h1>").unwrap();
    let router = Router::new()
        .get("/", |_, res| res.text(""))
        .files("/static", Files::at("."))
        .group("/in", |group| group.prepared("/page", page).get("/more", |_, res| res.text("")));
    let lines: Vec<_> = router.lines().iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "GET\t/\thandler\t-",
            "GET\t/static\tfiles\t-",
            "GET\t/static/\tfiles\t-",
            "GET\t/static/{*path}\tfiles\t-",
            "GET\t/in/page\tprepared\t-",
            "GET\t/in/more\thandler\t-",
        ]
    );
}
