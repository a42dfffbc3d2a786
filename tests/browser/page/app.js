// What the page does of itself; what the check asks of it is in `site`.
const sum = async bytes => {
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    return Array.from(hash, byte => byte.toString(16).padStart(2, "0")).join("");
};

// The first bytes of an answer, which is then broken off.
const begin = async (target, wanted) => {
    const control = new AbortController();
    const answer = await fetch(target, { signal: control.signal, cache: "no-store" });
    const reader = answer.body.getReader(), pieces = [];
    let length = 0;
    while (length < wanted) {
        const { value } = await reader.read();
        pieces.push(value);
        length += value.length;
    }
    control.abort();
    return { pieces, length, tag: answer.headers.get("ETag") };
};

const site = {
    async seek(seconds) {
        const video = document.getElementById("video");
        video.currentTime = seconds;
        await new Promise(done => video.addEventListener("seeked", done, { once: true }));
        const canvas = new OffscreenCanvas(64, 64), paint = canvas.getContext("2d");
        paint.drawImage(video, 0, 0, 64, 64);
        return paint.getImageData(8, 32, 1, 1).data[1];
    },
    async resume(target, after, tag) {
        const { pieces, length, tag: seen } = await begin(target, after);
        const headers = { Range: `bytes=${length}-`, "If-Range": tag ?? seen };
        const rest = await fetch(target, { headers, cache: "no-store" });
        const bytes = await rest.arrayBuffer();
        const whole = rest.status === 206 ? new Blob([...pieces, bytes]) : new Blob([bytes]);
        return { status: rest.status, length, range: rest.headers.get("Content-Range"),
            sum: await sum(await whole.arrayBuffer()) };
    },
    async type(target) {
        const answer = await fetch(target, { method: "HEAD", cache: "no-store" });
        return [answer.status, answer.headers.get("Content-Type"),
            answer.headers.get("X-Content-Type-Options")];
    },
    async wasm(target) {
        return (await WebAssembly.compileStreaming(fetch(target))) instanceof WebAssembly.Module;
    },
    // From another origin: it loads if the server lets it.
    async font(address) {
        return (await new FontFace("Elsewhere", `url(${address})`).load()).status;
    },
};
window.site = site;

document.getElementById("view").textContent = `You are at ${location.pathname}.`;
const services = (await (await fetch("api/services")).json()).services;
document.getElementById("services").append(...services.map(name => {
    const item = document.createElement("li");
    item.textContent = name;
    return item;
}));
await document.fonts.load("1rem Lettered");
const video = document.getElementById("video");
if (location.pathname === "/") {
    video.src = "assets/video.webm";
    await new Promise(done => video.addEventListener("loadeddata", done, { once: true }));
}
document.documentElement.dataset.ready = "yes";
