//! Forms with files through real sockets: where their parts go, and what each refusal says.
//! Knows nothing below the public face.

#[path = "support/http_client.rs"]
mod http_client;

use std::io::Read;
use std::path::{Path, PathBuf};

use corelane::{Handler, Method, Multipart, Reply, Router, Running, Settings};
use http_client::{Answer, Client, chunked, pattern, serve};

fn server(forms: Multipart, saved: Option<PathBuf>) -> Running {
    serve(Settings::default(), move |_| {
        let (forms, saved) = (forms.clone(), saved.clone());
        Router::new().upload(Method::Post, "/", move |req| {
            let saved = saved.clone();
            forms.begin(req, move |form, _, res| {
                let title = form.text("title")?.to_owned();
                form.file("file")?;
                res.later(|later| {
                    later.run_blocking(move || {
                        let file = form.file("file")?;
                        let mut bytes = Vec::new();
                        file.reader().read_to_end(&mut bytes)?;
                        assert_eq!(bytes.len() as u64, file.len());
                        if let Some(path) = saved {
                            file.save_to(path)?;
                        }
                        let sum: u64 = bytes.iter().map(|byte| u64::from(*byte)).sum();
                        let place = if file.bytes().is_some() { "memory" } else { "disk" };
                        let name = file.file_name().unwrap_or_default();
                        Ok(Reply::text(format!("{title} {name} {} {sum} {place}", bytes.len())))
                    });
                })
            })
        })
    })
}

fn form(title: &str, file: &[u8]) -> Vec<u8> {
    let field = format!("--x\r\nContent-Disposition: form-data; name=title\r\n\r\n{title}\r\n");
    let head = "--x\r\nContent-Disposition: form-data; name=file; filename=\"a b\"\r\n\r\n";
    [field.as_bytes(), head.as_bytes(), file, b"\r\n--x--\r\n"].concat()
}

fn sent(client: &mut Client, body: &[u8]) -> Answer {
    client.post("/", "Content-Type: multipart/form-data; boundary=x\r\n", body)
}

#[test]
fn small_files_stay_in_memory_and_large_ones_go_to_the_disk_without_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let saved = folder.path().join("saved");
    let server = server(Multipart::new().files_in(folder.path()), Some(saved.clone()));
    let mut client = Client::to(&server);
    for (len, place) in [(65_536, "memory"), (65_537, "disk"), (3_000_000, "disk")] {
        let file = pattern(len);
        let sum: u64 = file.iter().map(|byte| u64::from(*byte)).sum();
        let answer = sent(&mut client, &form("t", &file));
        assert_eq!(answer.text(), format!("t a b {len} {sum} {place}"));
        assert!(std::fs::read(&saved).unwrap() == file);
        std::fs::remove_file(&saved).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=x\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    client.send(head).send(chunked(&form("t", b"xyz"), 3));
    assert_eq!(client.answer().text(), "t a b 3 363 memory");
}

#[test]
fn limits_and_mistakes_are_named() {
    let forms = Multipart::new().parts_max(2).part_bytes_max(200).memory_bytes_max(300);
    let server = server(forms, None);
    let refused = |body: &[u8]| {
        let mut client = Client::to(&server);
        let answer = sent(&mut client, body);
        (answer.status, answer.text().to_owned())
    };
    assert_eq!(refused(&form("t", &[b'x'; 200])).0, 200);
    let head = "--x\r\nContent-Disposition: form-data; name=";
    let title_only = format!("{head}title\r\n\r\nt\r\n--x--");
    let two = format!("{head}c\r\n\r\n");
    for (body, status, part) in [
        (form("t", &[b'x'; 201]), 413, "the form's `file` has more than 200 bytes"),
        (form(&"x".repeat(150), &[b'x'; 151]), 413, "the form has more than 300 bytes"),
        (
            [form("t", b"").split_at(form("t", b"").len() - 7).0, two.as_bytes()].concat(),
            413,
            "more than 2 parts",
        ),
        (title_only.into_bytes(), 422, "no file `file`"),
        (form("t", b"").split_off(55), 422, "no field `title`"),
        (b"--x\r\n\r\n\r\n--x--".to_vec(), 400, "no `form-data` with a name"),
        (b"--x--y".split_at(3).0.to_vec(), 400, "before its last boundary"),
        (Vec::new(), 400, "before its last boundary"),
        (b"--xy\r\n".to_vec(), 400, "followed by something else"),
        (format!("{head}{}\r\n\r\n", "n".repeat(300)).into_bytes(), 413, "name is too long"),
        (format!("{head}a\r\nX: {}", "n".repeat(5000)).into_bytes(), 413, "head is too large"),
    ] {
        let (found, text) = refused(&body);
        assert!(found == status && text.contains(part), "{found} {text}, not {part}");
    }
    let mut client = Client::to(&server);
    for (fields, status) in [("", 415), ("Content-Type: text/plain\r\n", 415)] {
        assert_eq!(client.post("/", fields, form("t", b"")).status, status, "{fields}");
        client = Client::to(&server);
    }
    let answer = client.post("/", "Content-Type: multipart/form-data\r\n", "x");
    assert!(answer.status == 400 && answer.text().contains("boundary"), "{}", answer.text());
}

#[test]
fn a_form_is_answered_and_one_that_has_nowhere_to_go_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let router = |folder: &Path| {
        let mut forms = 0;
        let taken = Multipart::new().files_in(folder);
        Router::new().form(Method::Post, "/", taken, move |form, _, res| {
            forms += 1;
            res.text(format_args!("{forms} {}", form.file("file")?.len()))
        })
    };
    let path = folder.path().to_owned();
    let server = serve(Settings::default(), move |_| router(&path));
    let mut client = Client::to(&server);
    for number in 1..=2 {
        let answer = sent(&mut client, &form("t", &pattern(70_000)));
        assert_eq!(answer.text(), format!("{number} 70000"));
    }
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    for wrong in [folder.path().join("nowhere"), file] {
        let fault = router(&wrong).check().unwrap_err();
        let wanted = format!("no file can be made in {} for an upload", wrong.display());
        assert!(fault.starts_with(&wanted), "{fault}");
    }
}

#[test]
fn a_folder_that_cannot_be_written_to_answers_500() {
    let server = server(Multipart::new().files_in("/nonexistent"), None);
    let mut client = Client::to(&server);
    assert_eq!(sent(&mut client, &form("t", b"small")).status, 200);
    let mut client = Client::to(&server);
    assert_eq!(sent(&mut client, &form("t", &pattern(70_000))).status, 500);
}
