//! corelane's head parser against httparse on the same bytes. Knows nothing of the rest.
//!
//! `cargo bench --bench head_parser` ends with one line of ratios for each input;
//! `-- --ratios` prints these only.
//! To count instructions instead: `valgrind --tool=callgrind <binary> --count <parser> <input>
//! <iterations>`; the parser is `httparse`, `corelane`, or a level (`portable`, `sse2`, `avx2`).

use std::hint::black_box;
use std::time::{Duration, Instant};

use corelane::limits::{FIELDS_MAX, HEAD_BYTES_MAX};
use corelane::wire::head::Head;
use corelane::wire::parse::{HeadLimits, Parse, Progress, parse_head, parse_head_at};
use corelane::wire::scan::Level;
use criterion::{Criterion, Throughput};

const LIMITS: HeadLimits =
    HeadLimits { head_bytes: HEAD_BYTES_MAX, fields: FIELDS_MAX, target_bytes: 8000 };

/// The heads measured, each under its name.
const INPUTS: [(&str, &str); 6] = [
    ("minimal", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (
        "wrk",
        "GET /plaintext HTTP/1.1\r\n\
         Host: tfb-server:8080\r\n\
         Connection: keep-alive\r\n\r\n",
    ),
    (
        "techempower",
        "GET /plaintext HTTP/1.1\r\n\
         Host: server\r\n\
         User-Agent: Mozilla/5.0 (X11; Linux x86_64) Gecko/20130501 Firefox/30.0 \
         AppleWebKit/600.00 Chrome/30.0.0000.0 Trident/10.0 Safari/600.00\r\n\
         Cookie: uid=12345678901234567890; __utma=1.1234567890.1234567890.1234567890.1234567890.12; \
         wd=2560x1600\r\n\
         Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
         Accept-Language: en-US,en;q=0.5\r\n\
         Connection: keep-alive\r\n\r\n",
    ),
    (
        "techempower-json",
        "GET /json HTTP/1.1\r\n\
         Host: tfb-server:8080\r\n\
         Accept: application/json,text/html;q=0.9,application/xhtml+xml;q=0.9,application/xml;q=0.8,\
         */*;q=0.7\r\n\
         Connection: keep-alive\r\n\r\n",
    ),
    (
        "chrome",
        "GET /articles/2026/on-latency HTTP/1.1\r\n\
         Host: www.example.com\r\n\
         Connection: keep-alive\r\n\
         Cache-Control: max-age=0\r\n\
         sec-ch-ua: \"Chromium\";v=\"142\", \"Google Chrome\";v=\"142\", \"Not_A Brand\";v=\"99\"\r\n\
         sec-ch-ua-mobile: ?0\r\n\
         sec-ch-ua-platform: \"Linux\"\r\n\
         Upgrade-Insecure-Requests: 1\r\n\
         User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
         Chrome/142.0.0.0 Safari/537.36\r\n\
         Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,\
         image/apng,*/*;q=0.8\r\n\
         Sec-Fetch-Site: none\r\n\
         Sec-Fetch-Mode: navigate\r\n\
         Sec-Fetch-User: ?1\r\n\
         Sec-Fetch-Dest: document\r\n\
         Accept-Encoding: gzip, deflate, br, zstd\r\n\
         Accept-Language: en-US,en;q=0.9\r\n\r\n",
    ),
    (
        "post",
        "POST /api/v1/organisations/4711/members?notify=true HTTP/1.1\r\n\
         Host: api.example.com\r\n\
         Content-Type: application/json; charset=utf-8\r\n\
         Content-Length: 2048\r\n\
         Accept: application/json, text/plain, */*\r\n\
         Accept-Encoding: gzip, deflate, br, zstd\r\n\
         Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n\
         Authorization: Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwi\
         bmFtZSI6IkpvaG4gRG9lIiwiYWRtaW4iOnRydWUsImlhdCI6MTUxNjIzOTAyMn0.KMUFsIDTnFmyG3nMiGM6H9FN\
         FUROf3wh7SmqJp-QV30\r\n\
         Cookie: session=b7f9c1d2e3a4450f9d8c7b6a5f4e3d2c; theme=dark; consent=analytics%3Dno; \
         last_seen=2026-11-03T10:15:30Z; region=eu-central-1\r\n\
         Origin: https://app.example.com\r\n\
         Referer: https://app.example.com/organisations/4711/members?page=3&sort=name\r\n\
         User-Agent: Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 \
         (KHTML, like Gecko) Version/18.1 Safari/605.1.15\r\n\
         X-Request-Id: 0191f3c4-6a6e-7c1c-9f3e-2b6f6f0f4c11\r\n\
         Connection: keep-alive\r\n\r\n",
    ),
];

fn parse_ours(level: Option<Level>, bytes: &[u8], head: &mut Head) -> usize {
    let mut progress = Progress::default();
    let parse = match level {
        None => parse_head(bytes, 0, head, &mut progress, &LIMITS),
        Some(level) => parse_head_at(level, bytes, 0, head, &mut progress, &LIMITS),
    };
    match parse {
        Parse::Complete { len } => len,
        other => panic!("{other:?}"),
    }
}

fn parse_httparse<'b>(bytes: &'b [u8], fields: &mut [httparse::Header<'b>; 64]) -> usize {
    let mut request = httparse::Request::new(fields);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(len)) => {
            black_box(&request);
            len
        }
        other => panic!("{other:?}"),
    }
}

/// Nanoseconds of one call of each parser: the best of many short rounds, which alternate so that
/// both see the same machine.
fn compare(level: Option<Level>, bytes: &[u8]) -> (f64, f64) {
    const ROUNDS: usize = 300;
    const CALLS: u32 = 2000;
    let mut head = Head::default();
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let (mut ours, mut theirs) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        let began = Instant::now();
        for _ in 0..CALLS {
            black_box(parse_ours(level, black_box(bytes), black_box(&mut head)));
        }
        ours = ours.min(began.elapsed());
        let began = Instant::now();
        for _ in 0..CALLS {
            black_box(parse_httparse(black_box(bytes), black_box(&mut fields)));
        }
        theirs = theirs.min(began.elapsed());
    }
    let nanoseconds = |time: Duration| time.as_secs_f64() * 1e9 / f64::from(CALLS);
    (nanoseconds(ours), nanoseconds(theirs))
}

fn print_ratios() {
    println!("\nbest of alternating rounds, nanoseconds a head");
    for level in [None].into_iter().chain(Level::available().map(Some)) {
        println!("{}", level.map_or("parse_head".into(), |level| format!("{level:?}")));
        for (name, text) in INPUTS {
            let (ours, theirs) = compare(level, text.as_bytes());
            println!(
                "  {name:<18} {:>5} B  corelane {ours:>7.1}  httparse {theirs:>7.1}  \
                 ratio {:>5.2}",
                text.len(),
                theirs / ours
            );
        }
    }
}

/// Runs one parser on one input and nothing else, for a tool that counts instructions.
fn count(parser: &str, input: &str, iterations: u64) {
    let (_, text) = INPUTS.iter().find(|(name, _)| *name == input).expect("a known input");
    let is_named =
        |level: &Level| format!("{level:?}").eq_ignore_ascii_case(&format!("level({parser})"));
    let level = Level::available().find(is_named);
    let mut head = Head::default();
    let mut fields = [httparse::EMPTY_HEADER; 64];
    for _ in 0..iterations {
        let bytes = black_box(text.as_bytes());
        if parser == "httparse" {
            black_box(parse_httparse(bytes, black_box(&mut fields)));
        } else {
            black_box(parse_ours(level, bytes, black_box(&mut head)));
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--count") {
        let iterations = arguments[at + 3].parse().expect("a number of iterations");
        return count(&arguments[at + 1], &arguments[at + 2], iterations);
    }
    if arguments.iter().any(|argument| argument == "--ratios") {
        return print_ratios();
    }
    let mut criterion = Criterion::default().configure_from_args();
    for (name, text) in INPUTS {
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(text.len() as u64));
        let bytes = text.as_bytes();
        let mut head = Head::default();
        group.bench_function("corelane", |bencher| {
            bencher.iter(|| parse_ours(None, black_box(bytes), black_box(&mut head)));
        });
        let mut fields = [httparse::EMPTY_HEADER; 64];
        group.bench_function("httparse", |bencher| {
            bencher.iter(|| parse_httparse(black_box(bytes), black_box(&mut fields)));
        });
        group.finish();
    }
    criterion.final_summary();
    print_ratios();
}
