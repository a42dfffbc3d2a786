//! Compile-time bounds, each with its unit, its reason and its relation to the others.
//! Knows nothing of what is bounded; what a user may change lives in `settings`.

/// Bytes of one receive block. Holds the largest head we accept and a full pipelined batch, and
/// keeps offsets within `u16`.
pub const BLOCK_BYTES: usize = 32 * 1024;

/// Bytes of a page, for the accounting of memory; larger pages make it an estimate from below.
pub const PAGE_BYTES: usize = 4096;

/// Largest value the setting `head_bytes_max` may take: half a block, so that a head can always
/// be completed after the requests before it were consumed and the rest moved to the front.
pub const HEAD_BYTES_MAX: usize = BLOCK_BYTES / 2;

/// Fields in one head (RFC 9110 section 5.4 leaves the bound to us). Kubernetes ingresses were
/// seen adding 40 to 80; hyper, h2o and HAProxy allow about 100.
pub const FIELDS_MAX: usize = 100;

/// Bytes of a method; the longest registered one (`UPDATEREDIRECTREF`) has 17.
pub const METHOD_BYTES_MAX: usize = 32;

/// Digits of a chunk size: 16 hexadecimal digits fill a `u64`.
pub const CHUNK_SIZE_DIGITS_MAX: usize = 16;

/// Bytes of chunk extensions in one message. Nobody uses them but attackers (CVE-2023-39326).
pub const CHUNK_EXTENSION_BYTES_MAX: usize = 4 * 1024;

/// Bytes of one trailer section.
pub const TRAILER_BYTES_MAX: usize = 8 * 1024;

/// Fields of one trailer section.
pub const TRAILER_FIELDS_MAX: usize = 32;

/// Bytes of a PROXY header: its addresses take 52, and the facts that proxies add about TLS, a
/// client's name included, stay within a few hundred.
pub const PROXY_HEADER_BYTES_MAX: usize = 4 * 1024;

/// Parameters in one route pattern.
pub const ROUTE_PARAMS_MAX: usize = 8;

/// Bytes of answers gathered for one connection before they are sent: more pipelined requests
/// are not handled until the kernel took these.
pub const GATHER_BYTES: usize = 64 * 1024;

/// Bodies above this many bytes are sent from where they are instead of being copied behind
/// their head: a copy this small costs less than the second I/O vector.
pub const INLINE_BODY_BYTES_MAX: usize = 16 * 1024;

/// Bytes of a body that a route of the program may be given by a file: every worker has a copy.
pub const ROUTE_BODY_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Bytes asked of the source of a streamed answer at a time: two pieces fill what is gathered.
pub const PIECE_BYTES: usize = GATHER_BYTES / 2;

/// Bytes of a file that are sent in one piece: what one client's file takes of a turn.
pub const FILE_PIECE_BYTES: u64 = 256 * 1024;

/// Room for copied bytes in a queue of answers: for what is gathered, and for one more answer.
pub const QUEUE_BYTES: usize = GATHER_BYTES + INLINE_BODY_BYTES_MAX + HEAD_BYTES_MAX;

/// Ranges that one request may ask for; with more it gets the whole, once. Players and readers of
/// documents ask for one to five, and many small ones only cost (CVE-2011-3192).
pub const RANGES_MAX: usize = 16;

/// Times that a file is opened while its directories are being renamed.
pub const OPEN_TRIES_MAX: usize = 4;

/// Names of a directory that are looked at for a listing: a few milliseconds.
pub const DIRECTORY_NAMES_MAX: usize = 50_000;

/// Files of a directory that a listing shows: each is looked up.
pub const LISTED_FILES_MAX: usize = 2_000;

/// Listings that a worker keeps, for as long as files.
pub const KEPT_LISTINGS_MAX: usize = 16;

/// Characters of a pattern of paths, which is compared with each path that is loaded.
pub const GLOB_CHARS_MAX: usize = 256;

/// Bytes of a file whose content a worker keeps: to copy more costs more than to have the kernel
/// send it from where it is.
pub const KEPT_FILE_BYTES_MAX: u64 = 16 * 1024;

/// Bytes of a file that is the page of an error, which is copied.
pub const ERROR_PAGE_BYTES_MAX: u64 = 64 * 1024;

/// Bytes of a file that are read ahead at a time where the disk has to be waited for: some
/// milliseconds of it, and pieces enough for a client meanwhile.
pub const READ_AHEAD_BYTES: u64 = 4 * FILE_PIECE_BYTES;

/// Bytes that a thread which reads ahead takes at a time.
pub const READ_AHEAD_STEP_BYTES: usize = 128 * 1024;

/// Files that a worker keeps open or in memory: each may hold a descriptor, and one for each of
/// three siblings.
pub const KEPT_FILES_MAX: usize = 256;

/// Bytes of content that a worker keeps of all files.
pub const KEPT_FILES_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Milliseconds that a file is served for as it was, before it is looked at again.
pub const KEPT_FILE_MILLIS: u64 = 1_000;

/// Paths without a file that a worker remembers within [`KEPT_FILE_MILLIS`], and the bytes of the
/// longest: more of them are those of who guesses, and cost what they did.
pub const KEPT_MISSES_MAX: usize = 1_024;
/// See [`KEPT_MISSES_MAX`].
pub const KEPT_MISS_BYTES_MAX: usize = 256;

/// Segments handed to the kernel in one `writev`.
pub const SEND_SEGMENTS_MAX: usize = 16;

/// Bytes of a response's head that the load generator reads at most.
pub const RESPONSE_HEAD_BYTES_MAX: usize = 64 * 1024;

/// Connections of a load generator: more than an address has ports for.
pub const BENCH_CONNECTIONS_MAX: usize = 1 << 20;

/// Addresses that a load generator's connections may come from: with 28,000 ports each, more than
/// it can use.
pub const BENCH_SOURCES_MAX: usize = 1 << 16;

/// Requests under way on one connection of a load generator.
pub const BENCH_PIPELINE_MAX: usize = 1024;

/// Requests a second that may be asked for: one each 10 ns.
pub const BENCH_RATE_MAX: u32 = 100_000_000;

/// Bytes received at once by a load generator.
pub const BENCH_RECEIVE_BYTES: usize = 256 * 1024;

/// Milliseconds between the start of a load generator's threads and the begin of its schedule.
pub const BENCH_START_MS: u64 = 20;

/// Bytes of an answer in which a server tells a load generator what it measured.
pub const SERVER_VIEW_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Milliseconds that a load generator waits for such an answer.
pub const SERVER_VIEW_MS: u64 = 2_000;

/// Milliseconds before the end of the warm-up at which it asks for it.
pub const SERVER_VIEW_LEAD_MS: u64 = 100;

/// Pairs of runs that a comparison has at most.
pub const BENCH_PAIRS_MAX: usize = 10_000;

/// Microseconds that a worker polls before it sleeps, at most: what takes longer is no wait that
/// pays.
pub const BUSY_POLL_MAX_US: u64 = 10_000;

/// Microseconds that a worker polls where it is left to us: more than a wake costs, less than a
/// connection that answers at once lets it wait.
pub const BUSY_POLL_AUTO_US: u64 = 50;

/// Readiness reports taken in one turn. Enough to amortise `epoll_wait`, few enough that the
/// last one does not wait long for the first: at 5 µs a request, 256 are 1.3 ms.
pub const EVENTS_PER_TURN: usize = 256;

/// Connections that are served together, stage by stage: enough to fetch our code once for many
/// of them, few enough that what they sent and what they are sent stays in the second cache.
pub const COHORT_MAX: usize = 16;

/// How long answers may wait for those of the same cohort to be made.
pub const COHORT_TIME_US: u64 = 30;

/// How long one turn serves connections that have something under way, after those that have
/// not: a request that comes whole waits so long for them, and for one more of them.
pub const PUT_OFF_TIME_US: u64 = 25;

/// How long one turn accepts, and how long it serves deadlines, each with an answer and an end:
/// a request that comes meanwhile waits so long, and for one more of them.
pub const STEP_TIME_US: u64 = 15;

/// Connections accepted in one turn and per listener, at some 10 µs each.
pub const ACCEPTS_PER_TURN: usize = 16;

/// Deadlines served in one turn.
pub const EXPIRED_PER_TURN: usize = 16;

/// Entries of the timer wheel looked at in one turn; the wheel remembers where it stopped.
pub const ENTRIES_PER_TURN: usize = 1024;

/// A worker gives a new connection to one that has fewer by 1 and by one in so many of its own. One
/// fewer is what an even spread of few connections needs; of many, a sixteenth is not worth a move.
pub const HAND_OVER_SHARE: u32 = 16;

/// Requests that connections lately had on average, from which on one is worth handing over: that
/// takes an eventfd written and read and one worker's wake, about the calls of two requests.
pub const HAND_OVER_REQUESTS_MIN: u32 = 8;

/// Workers whose connections are looked at before one is handed over, at a cache line each.
pub const HAND_OVER_LOOKS_MAX: usize = 64;

/// Connections that wait for a worker to take them on. Beyond, who has one serves it.
pub const HANDED_MAX: usize = 256;

/// Milliseconds after which a connection that was placed with a worker and did not come is not
/// expected any more: a handshake takes two ways through the network.
pub const SETTLE_MS: u64 = 1_000;

/// Mail read in one turn.
pub const MAIL_PER_TURN: usize = 64;

/// Mail that can wait in one mailbox.
pub const MAILBOX_MAIL_MAX: usize = 256;

/// Workers of one server: more than any machine has CPUs for is a slip of the finger.
pub const WORKERS_MAX: usize = 1024;

/// Addresses one server listens on.
pub const LISTENERS_MAX: usize = 16;

/// Listening sockets of one worker: one of each address, and those it was left by a server that
/// had more workers.
pub const SOCKETS_PER_WORKER_MAX: usize = 1024;

/// Milliseconds in which a server and its successor say what is due at once.
pub const HANDOVER_MS: u64 = 10_000;

/// Milliseconds in which a successor serves with every worker, or has failed. An application may
/// read much before that; the server before it serves on meanwhile.
pub const SUCCESSOR_MS: u64 = 60_000;

/// Connections one worker may be configured for; slab indices are `u32`.
pub const CONNECTIONS_MAX: usize = 1 << 20;

/// Networks in one setting: each is compared in turn, at an accept or for a client's address.
pub const NETWORKS_MAX: usize = 256;

/// Slots looked at in one search for idle connections: half a megabyte is read at most. In a
/// larger table the next search goes on where the last one ended.
pub const ROOM_SCAN_SLOTS: usize = 4 * 1024;

/// Idle connections that one search finds, to be ended one after the other: a search for each
/// would read the table again and again.
pub const ROOM_CANDIDATES: usize = 64;

/// Milliseconds for which a connection must have been idle before it is ended to make room. A
/// client that has just connected has its first request still on the way.
pub const ROOM_IDLE_MS: u64 = 1000;

/// Milliseconds before the next search after one that found nothing.
pub const ROOM_SCAN_PAUSE_MS: u64 = 10;

/// Seconds of silence after which the kernel asks whether a peer is still there: above the usual
/// `idle_time`, so that only connections are asked about that wait for an answer of ours.
pub const KEEPALIVE_AFTER_S: u64 = 120;

/// Seconds for which the kernel keeps a silent connection to itself, where it may: the least.
pub const DEFER_ACCEPT_S: i32 = 1;

/// Seconds between two such questions; `user_timeout` says how many go unanswered.
pub const KEEPALIVE_INTERVAL_S: u64 = 15;

/// Blocks of each size that a worker keeps for reuse; the rest go back to the allocator.
pub const SPARE_ASSEMBLIES_MAX: usize = 64;

/// Bytes of the block of a request of which little has come. Holds the head of a browser, so that
/// who sends slowly costs no page of memory.
pub const SMALL_BLOCK_BYTES: usize = 1024;

/// With more unread bytes than this a request gets a whole block: what comes next needs room.
pub const SMALL_UNREAD_MAX: usize = 768;

/// Bytes of a body buffer that is kept for reuse; a larger one goes back to the allocator.
pub const SPARE_BODY_BYTES_MAX: usize = 64 * 1024;

/// Milliseconds of one tick of the timer wheel. Deadlines are seconds; 64 ms late is on time.
pub const TICK_MS: u64 = 64;

/// Slots of the timer wheel: 1,024 ticks are 65 s, so an ordinary deadline goes round once.
pub const WHEEL_SLOTS: usize = 1024;

/// Bytes read and dropped from a lingering connection before it is closed all the same. Some
/// clients read only after the last byte of their upload; `linger_time` bounds the wait.
pub const LINGER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Milliseconds between two publications of a worker's figures.
pub const PUBLISH_INTERVAL_MS: u64 = 100;

/// Milliseconds a listener rests after the kernel had no descriptor or memory for a connection:
/// trying at once would spin, because the waiting connection stays readable.
pub const ACCEPT_PAUSE_MS: u64 = 10;

/// Milliseconds between two log lines about that.
pub const ACCEPT_LOG_INTERVAL_MS: u64 = 10_000;

/// Threads for blocking work of one server: beyond so many they only wait for each other.
pub const BLOCKING_THREADS_MAX: usize = 1024;

/// Milliseconds after which a thread for blocking work that had none ends: long enough to serve
/// the next burst, short enough that an idle server is small again soon.
pub const BLOCKING_IDLE_MS: u64 = 10_000;

/// Milliseconds a server that has ended waits for the blocking jobs that still run. Nobody waits
/// for their answers any more, so this is for what they write elsewhere.
pub const BLOCKING_END_MS: u64 = 1_000;

/// Milliseconds between two looks at workers that all wait. A turn that an event begins wakes
/// the supervisor; only one that a deadline begins, and that blocks, is found so late.
pub const SUPERVISOR_LOOK_MS: u64 = 1_000;

/// Bytes of the supervisor's stack; it only formats a line, and a logger writes it.
pub const SUPERVISOR_STACK_BYTES: usize = 256 * 1024;

/// Milliseconds between two log lines about one worker's stalls.
pub const STALL_LOG_INTERVAL_MS: u64 = 1_000;

/// Milliseconds the other workers have to stop after one ended by a panic.
pub const STOP_MS: u64 = 1_000;

/// Milliseconds after the end of a drain, or after a stop, by which a worker has ended unless its
/// application does not return: much more than a machine under load needs.
pub const END_MS: u64 = 5_000;

/// Milliseconds that whoever asks the workers for what they measured waits for each of them.
pub const ASK_MS: u64 = 1_000;

/// Slots of its table that a worker looks at in one turn for who asks what its connections are at:
/// half a megabyte is read, in some tens of microseconds.
pub const SURVEY_SLOTS: u32 = 4 * 1024;

/// Milliseconds between two questions to the workers for the admin listener, whoever asks how
/// often: each makes them copy some 190 KB.
pub const OVERVIEW_INTERVAL_MS: u64 = 100;

/// Milliseconds of one turn after which `/livez` calls a worker stuck. An orchestrator ends a
/// server for it, so this is long for a handler, and for a machine that stands still.
pub const LIVE_TURN_MS: u64 = 2_000;

/// Connections of the admin listener: some scrapers, probes and people.
pub const ADMIN_CONNECTIONS_MAX: usize = 64;

/// Bytes of memory for incomplete requests and unsent answers of the admin listener.
pub const ADMIN_MEMORY_MAX: u64 = 8 * 1024 * 1024;

/// Bytes of a request's head and of its body on the admin listener: nobody has to send more.
pub const ADMIN_HEAD_BYTES_MAX: usize = 8 * 1024;

/// Threads on which the admin listener asks the workers and writes what they told.
pub const ADMIN_THREADS: usize = 4;

/// Requests of the admin listener that wait for such a thread; beyond, 503.
pub const ADMIN_QUEUE_MAX: usize = 64;

/// Milliseconds for which a client of the admin listener may take nothing of an answer.
pub const ADMIN_SEND_MS: u64 = 5_000;

/// Bytes of an answer of the admin listener that the kernel holds unsent: a few events of a page
/// that nobody reads, so that it is noticed in seconds.
pub const ADMIN_NOTSENT_BYTES: u32 = 4 * 1024;

/// Bytes of the message of an error that tells what a client sent.
pub const ERROR_MESSAGE_BYTES_MAX: usize = 512;

/// Bytes of the name and the value of a cookie together: browsers take no more.
pub const COOKIE_BYTES_MAX: usize = 4096;

/// Milliseconds for which a source of events says nothing before a comment goes out: less than
/// the 30 s and 60 s after which proxies give a connection up.
pub const EVENT_KEEP_ALIVE_MS: u64 = 15_000;

/// Bytes of the head of one part of a form: a name, the name of a file and a type.
pub const PART_HEAD_BYTES_MAX: usize = 4096;

/// Bytes of the name of a field of a form.
pub const PART_NAME_BYTES_MAX: usize = 256;

/// Parts of a form, unless it is told otherwise.
pub const FORM_PARTS_MAX: usize = 256;

/// Bytes of a form that are held in memory, unless it is told otherwise.
pub const FORM_MEMORY_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of a file in a form from which on it goes to disk, if there is a place for it.
pub const FORM_FILE_BYTES_MIN: usize = 64 * 1024;

/// Bytes of a secret that texts are signed with, at least (RFC 7518 section 3.2).
pub const KEY_BYTES_MIN: usize = 32;
/// Bytes of a body that is encoded at once: half a millisecond by gzip's level 1. A longer one is
/// encoded while it is sent.
pub const ENCODED_WHOLE_BYTES_MAX: usize = 256 * 1024;

/// Bytes of a streamed body that are asked for and encoded at a time.
pub const ENCODED_PIECE_BYTES: usize = 8 * 1024;

/// Streamed bodies that a worker encodes at a time: each has about 300 KiB of state. The others
/// are sent as they are.
pub const ENCODED_STREAMS_MAX: usize = 128;

/// Bytes below which a body is not encoded: it would fit in one packet as it is.
pub const ENCODED_BYTES_MIN: u64 = 1_024;

/// Bytes of answers that a worker keeps for later requests, unless it is told otherwise.
pub const KEPT_ANSWERS_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Answers that a worker keeps for later requests, unless it is told otherwise.
pub const KEPT_ANSWERS_MAX: usize = 4_096;

/// Codings of one body of a request that are undone.
pub const DECODED_CODINGS_MAX: usize = 2;

/// How many times larger a body may become by being decoded: text seldom becomes fifty times.
pub const DECODED_RATIO_MAX: usize = 100;

/// Up to so many bytes a decoded body may be, however small it came.
pub const DECODED_SMALL_BYTES: usize = 64 * 1024;

/// Addresses whose requests a worker counts for one rate limit: half a megabyte.
pub const RATE_ADDRESSES_MAX: usize = 16_384;

/// Nanoseconds between two looks through all of them for those that need not be counted.
pub const RATE_SWEEP_NANOS: u64 = 100_000_000;

/// Pages that are shown live at once.
pub const EVENT_CLIENTS_MAX: usize = 16;

/// Milliseconds between two events of a live page.
pub const EVENT_INTERVAL_MS: u64 = 1_000;

/// Bytes of the stack of the thread that makes the events.
pub const EVENT_STACK_BYTES: usize = 512 * 1024;

/// Bytes of a batch of records of the access log: some hundreds of requests.
pub const ACCESS_LOG_BATCH_BYTES: usize = 64 * 1024;

/// Such batches of a worker, wherever they are: 8 MiB, in which a disk may stand still for a
/// third of a second at 200,000 requests a second. They are made when they are needed.
pub const ACCESS_LOG_BATCHES: usize = 128;

/// Milliseconds for which a record waits for others before the writer has it, at most.
pub const ACCESS_LOG_INTERVAL_MS: u64 = 100;

/// Bytes of a target in the access log; what is longer is shortened there.
pub const ACCESS_LOG_TARGET_BYTES: usize = 2 * 1024;

/// Bytes of a field in the access log; what is longer is shortened there.
pub const ACCESS_LOG_FIELD_BYTES: usize = 512;

/// Bytes of lines that are written at once, at least while there are as many.
pub const ACCESS_LOG_WRITE_BYTES: usize = 64 * 1024;

/// Milliseconds that the end of a server waits for the last lines to be written.
pub const ACCESS_LOG_END_MS: u64 = 5_000;

/// Milliseconds between two lines of the event log about one access log that fails.
pub const ACCESS_LOG_WARN_MS: u64 = 10_000;

/// Highest service time a histogram tells apart, in nanoseconds (60 s); above, it saturates.
pub const LATENCY_MAX_NS: u64 = 60_000_000_000;

/// Significant decimal digits of the histogram: 3 digits with `u32` counts take 111 KiB a worker.
pub const LATENCY_DIGITS: u8 = 3;

/// Significant decimal digits of the histograms of the stages of a request: 2 digits take 15 KiB
/// each, and 1 % is finer than what is known of a stage.
pub const STAGE_DIGITS: u8 = 2;

const _: () = assert!(BLOCK_BYTES <= u16::MAX as usize);
const _: () = assert!(SMALL_UNREAD_MAX < SMALL_BLOCK_BYTES && SMALL_BLOCK_BYTES < BLOCK_BYTES);
const _: () = assert!(BLOCK_BYTES.is_multiple_of(PAGE_BYTES));
const _: () = assert!(HEAD_BYTES_MAX * 2 <= BLOCK_BYTES);
const _: () = assert!(METHOD_BYTES_MAX < HEAD_BYTES_MAX);
const _: () = assert!(INLINE_BODY_BYTES_MAX < GATHER_BYTES);
const _: () = assert!(KEPT_FILE_BYTES_MAX as usize <= KEPT_FILES_BYTES_MAX);
const _: () = assert!(WHEEL_SLOTS.is_power_of_two());
const _: () = assert!(CONNECTIONS_MAX < u32::MAX as usize);
const _: () = assert!(TRAILER_BYTES_MAX <= BLOCK_BYTES / 2);
const _: () = assert!(PROXY_HEADER_BYTES_MAX < BLOCK_BYTES);
