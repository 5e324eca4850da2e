# SPDX-License-Identifier: ISC
"""What a person with a browser does to a WordPress site: its installer, a login, a post, an upload."""
import html
import json
import re
import struct
import urllib.parse
import zlib

import web


def png(width, height, rgb):
    """A real picture of one colour."""
    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))
    row = b"\0" + bytes(rgb) * width
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(row * height)) + chunk(b"IEND", b""))


def form_fields(page, form_id):
    """The values that a browser would send from this form: its inputs as they stand."""
    form = re.search(r'<form[^>]*id="%s".*?</form>' % form_id, page, re.S)
    if not form:
        raise AssertionError("no form '%s' in: %s" % (form_id, page[:400]))
    fields = {}
    for tag in re.findall(r"<input[^>]*>", form.group(0)):
        attrs = dict(re.findall(r'([a-z-]+)="([^"]*)"', tag))
        if "name" in attrs and attrs.get("type") not in ("submit", "checkbox", "button"):
            fields[attrs["name"]] = html.unescape(attrs.get("value", ""))
    return fields


class Site:
    """One site seen by one visitor: base is its address, e.g. http://wordpress.localhost:8080"""

    def __init__(self, base, connect_to="127.0.0.1"):
        self.base = base
        self.browser = web.Browser(connect_to)

    def get(self, path="/", **kw):
        return self.browser.get(self.base + path, **kw)

    def install(self, title, user, password):
        """Through the web installer, from the first redirect to the message of success."""
        first = self.get("/")
        if "/wp-admin/install.php" not in first.url:
            raise AssertionError("the fresh site did not lead to its installer: %s" % first.url)
        page = self.get("/wp-admin/install.php?step=1").text
        fields = form_fields(page, "setup")
        fields.update({"weblog_title": title, "user_name": user, "admin_password": password,
                       "admin_password2": password, "admin_email": "admin@example.org", "pw_weak": "on",
                       "language": "", "Submit": "Install WordPress"})
        done = self.browser.post(self.base + "/wp-admin/install.php?step=2", fields)
        if "Success!" not in done.text:
            raise AssertionError("installer: %d %s" % (done.status, done.text[:2000]))

    def login(self, user, password):
        self.get("/wp-login.php")
        answer = self.browser.post(self.base + "/wp-login.php", {
            "log": user, "pwd": password, "wp-submit": "Log In", "testcookie": "1",
            "redirect_to": self.base + "/wp-admin/"})
        if not answer.url.startswith(self.base + "/wp-admin/") or "wpadminbar" not in answer.text:
            raise AssertionError("login: %s %d" % (answer.url, answer.status))
        self.nonce = self.get("/wp-admin/admin-ajax.php?action=rest-nonce").text.strip()

    def rest(self, method, route, body, headers=None):
        h = {"X-WP-Nonce": self.nonce, "Content-Type": "application/json"}
        h.update(headers or {})
        answer = self.browser.request(
            method, self.base + "/index.php?rest_route=" + urllib.parse.quote(route), headers=h, body=body)
        if answer.status >= 400:
            raise AssertionError("%s %s: %d %s" % (method, route, answer.status, answer.text[:500]))
        return json.loads(answer.text)

    def write_post(self, title, content):
        """Returns the post as the REST interface of the block editor answers: id, link ..."""
        return self.rest("POST", "/wp/v2/posts", json.dumps(
            {"title": title, "content": content, "status": "publish"}).encode())

    def upload(self, name, data, kind="image/png"):
        """Returns the medium: source_url ..."""
        return self.rest("POST", "/wp/v2/media", data, {
            "Content-Type": kind, "Content-Disposition": 'attachment; filename="%s"' % name})
