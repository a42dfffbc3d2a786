"""A headless Chromium that is driven through its debugging pipe, and what it says of its network.
Knows nothing of the server and of the site."""

import base64
import collections
import json
import os
import select
import shutil
import subprocess
import time

NAMES = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 60


def find():
    """The path of the first Chromium that is installed, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Request:
    """One request as the browser's network saw it."""

    def __init__(self, sent):
        self.method, self.url = sent["method"], sent["url"]
        self.asked = {name.lower(): value for name, value in sent["headers"].items()}
        # `from_cache`: nothing went over the wire; `end`: "finished", "cancelled" or what failed.
        self.status, self.fields, self.from_cache, self.end = None, {}, False, None

    @property
    def target(self):
        return "/" + self.url.split("#")[0].split("/", 3)[3]


class Chromium:
    """The program with one page. The protocol: a JSON text and a NUL, both ways."""

    def __init__(self, program, profile, net_log):
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()

        def pipes():
            # The numbers 3 and 4 are Chromium's; they may be taken by the pipes themselves.
            os.dup2(os.dup(to_browser), 3)
            os.dup2(os.dup(from_browser), 4)

        self.process = subprocess.Popen(
            [program, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe",
             "--autoplay-policy=no-user-gesture-required", "--hide-scrollbars",
             "--disable-component-update", "--disable-background-networking",
             f"--user-data-dir={profile}", f"--log-net-log={net_log}",
             "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            close_fds=False, preexec_fn=pipes)
        os.close(to_browser)
        os.close(from_browser)
        self._buffer, self._id, self._session = b"", 0, None
        self.requests, self.problems, self._early = {}, [], collections.defaultdict(list)
        self.all, self._fired = [], collections.Counter()
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def close(self):
        self._session = None
        self.call("Browser.close")
        self.process.wait(PATIENCE)

    def call(self, method, **params):
        self._id += 1
        message = {"id": self._id, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        wanted = self._id
        while True:
            got = self._read()
            if got.get("id") == wanted:
                if "error" in got:
                    raise RuntimeError(f"{method}: {got['error']['message']}")
                return got["result"]

    def wait_for(self, is_so, what):
        """Reads until `is_so()`."""
        until = time.monotonic() + PATIENCE
        while not is_so():
            if time.monotonic() > until:
                raise TimeoutError(what)
            self._read()

    def open(self, url):
        loads = self._fired["Page.loadEventFired"]
        self.call("Page.navigate", url=url)
        self.wait_for(lambda: self._fired["Page.loadEventFired"] > loads, f"the load of {url}")

    def reload(self):
        loads = self._fired["Page.loadEventFired"]
        self.call("Page.reload")
        self.wait_for(lambda: self._fired["Page.loadEventFired"] > loads, "the reload")

    def run(self, script):
        """The value of a script, awaited if it is a promise."""
        got = self.call("Runtime.evaluate", expression=script, awaitPromise=True,
                        returnByValue=True, userGesture=True)
        if "exceptionDetails" in got:
            raise RuntimeError(got["result"].get("description", str(got["exceptionDetails"])))
        return got["result"].get("value")

    def settle(self):
        """Reads until every request has come to an end."""
        try:
            self.wait_for(lambda: all(r.end for r in self.all), "")
        except TimeoutError:
            endless = [r.target for r in self.all if not r.end]
            raise TimeoutError(f"requests without an end: {endless}") from None

    def screenshot(self, path, width=1000, scheme="light", height=900):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", features=features)
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=width < 500)
        image = self.call("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(image))

    def _read(self):
        while b"\0" not in self._buffer:
            if not select.select([self._in], [], [], PATIENCE)[0]:
                raise TimeoutError("the browser says nothing")
            read = os.read(self._in, 1 << 20)
            if not read:
                raise EOFError("the browser ended")
            self._buffer += read
        message, _, self._buffer = self._buffer.partition(b"\0")
        message = json.loads(message)
        if "method" in message:
            self._fired[message["method"]] += 1
            self._note(message["method"], message["params"])
        return message

    def _note(self, method, params):
        """Keeps what an event says of a request, or of a mistake of the page."""
        if method == "Runtime.exceptionThrown":
            self.problems.append(params["exceptionDetails"]["text"])
        elif method == "Log.entryAdded" and params["entry"]["source"] != "network":
            self.problems.append(params["entry"]["text"])
        id = params.get("requestId")
        if method == "Network.requestWillBeSent":
            self._begin(id, params)
        elif method.endswith("ExtraInfo") and id not in self.requests:
            self._early[id].append((method, params))
        elif id in self.requests:
            self._go_on(self.requests[id], method, params)

    def _begin(self, id, params):
        if not params["request"]["url"].startswith("http"):
            return
        if "redirectResponse" in params:
            before = self.requests[id]
            before.status, before.end = params["redirectResponse"]["status"], "finished"
        self.requests[id] = Request(params["request"])
        self.all.append(self.requests[id])
        for method, early in self._early.pop(id, []):
            self._go_on(self.requests[id], method, early)

    @staticmethod
    def _go_on(request, method, params):
        if method == "Network.requestWillBeSentExtraInfo":
            request.asked.update({k.lower(): v for k, v in params["headers"].items()})
        elif method == "Network.responseReceivedExtraInfo":
            # What came over the wire: a 304 is told as what it revalidated elsewhere.
            request.status = params["statusCode"]
            request.fields = {k.lower(): v for k, v in params["headers"].items()}
        elif method == "Network.requestServedFromCache":
            request.from_cache = True
        elif method == "Network.responseReceived":
            answer = params["response"]
            request.from_cache |= answer.get("fromDiskCache", False)
            request.status = request.status or answer["status"]
            request.fields = request.fields or {
                k.lower(): v for k, v in answer["headers"].items()}
        elif method == "Network.loadingFinished":
            request.end = "finished"
        elif method == "Network.loadingFailed":
            request.end = "cancelled" if params.get("canceled") else params["errorText"]
