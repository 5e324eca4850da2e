#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""WordPress as doc/upstreams.md (phpfpm) sets it up: nginx in one sandbox, PHP-FPM in another, the database in a third, all
from the shipped profiles with drop-ins."""
import os
import re
import secrets
import shutil
import subprocess
import unittest

import trp
import upstreams
import web
import wpclient

HOST = "nginx-blog.localhost"
HTTP = "http://%s:%d" % (HOST, trp.HTTP_PORT)
HTTPS = "https://%s:%d" % (HOST, trp.TLS_PORT)
USER, PASSWORD = "admin", secrets.token_urlsafe(16)
TITLE = "A post that came through PHP-FPM"
PICTURE = wpclient.png(320, 200, (30, 60, 200))

# one system for both
PACKAGES = """packages = nginx-light php-fpm php-mysql php-gd php-mbstring php-xml php-curl php-intl php-zip wordpress
	wordpress-theme-twentytwentythree openssl
"""
WEB = """[service]
requires = phpfpm@nginx-blog
[sandbox]
%suse = phpfpm@nginx-blog
bind = {content}/conf.d /etc/nginx/conf.d
bind = {content}/wp-content /var/lib/wordpress/wp-content
""" % PACKAGES
PHP = """[service]
requires = mariadb@nginx-blog
[sandbox]
%suse = mariadb@nginx-blog
secret = mariadb@nginx-blog/db-password
secret = site-key
bind = {content}/config /etc/wordpress
bind = {content}/wp-content /var/lib/wordpress/wp-content rw noexec
""" % PACKAGES

# A page that wants more memory than PHP has
GREEDY = """<?php
if (isset($_GET['greedy'])) {
	ini_set('memory_limit', -1);
	for ($all = []; ; )
		$all[] = str_repeat(chr(count($all) % 256), 16 << 20);
}
"""


class WordPressFpm(unittest.TestCase):
    maxDiff = None
    row = upstreams.Row("nginx@blog", small="/", small_has=b"<title>trpsup test</title>")

    @classmethod
    def setUpClass(cls):
        cls.d = trp.Daemon(state=upstreams.STATE)
        try:
            cls.d.start()
            cls.content = os.path.join(cls.d.dir, "blog")
            shutil.copytree(os.path.join(upstreams.HERE, "upstreams/wordpress"), cls.content)
            for where in ("themes", "plugins", "uploads"):
                os.makedirs(os.path.join(cls.content, "wp-content", where))
            os.symlink("/usr/share/wordpress/wp-content/themes/twentytwentythree",
                       os.path.join(cls.content, "wp-content/themes/twentytwentythree"))
            os.mkdir(cls.content + "/wp-content/mu-plugins")
            with open(cls.content + "/wp-content/mu-plugins/greedy.php", "w") as f:
                f.write(GREEDY)
            subprocess.run(["chmod", "-R", "u=rwX,go=rX", cls.content], check=True)
            for name, text in (("nginx@blog", WEB), ("phpfpm@nginx-blog", PHP)):
                os.mkdir(os.path.join(cls.d.profile_dir, name + ".ini.d"))
                cls.d.profile(name + ".ini.d/blog", text.replace("{content}", cls.content))
            os.chmod(cls.content + "/wp-content/uploads", 0o777)
            cls.d.ok("start", "nginx@blog")
            cls.site = wpclient.Site(HTTP)
            cls.site.install("trpsup test", USER, PASSWORD)
            cls.site.login(USER, PASSWORD)
            cls.medium = cls.site.upload("blue.png", PICTURE)
            cls.post = cls.site.write_post(TITLE, '<p>Text of the post.</p><img src="%s"/>' % cls.medium["source_url"])
        except BaseException:
            for name in ("nginx@blog", "phpfpm@nginx-blog"):
                print(cls.d.service_log(name)[-3000:])
            cls.d.clean_up()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.d.stop()

    def test_post_and_picture(self):
        """Both protocols and families; the picture is a file that nginx reads and PHP wrote."""
        for base in (HTTP, HTTPS):
            for address in ("127.0.0.1", "::1"):
                visitor = wpclient.Site(base, address)
                self.assertIn(TITLE, visitor.get("/").text)
                self.assertIn("Text of the post.", visitor.get(self.post["link"][len(HTTP):]).text)
                got = visitor.get(self.medium["source_url"][len(HTTP):])
                self.assertEqual((got.status, got.headers["Content-Type"], got.body), (200, "image/png", PICTURE))

    def test_true_address(self):
        for base, source in ((HTTP, "127.0.0.1"), (HTTPS, "::1")):
            token = "trp-" + secrets.token_hex(6)
            answer = web.get("%s/?%s" % (base, token), source)
            lines = self.d.logged("nginx@blog", token)
            self.assertTrue(re.search(r' out %s - .* %d \S+ %s$' % (source, answer.local[1], HOST), lines[0]), lines[0])

    def test_uploads_are_never_run(self):
        for name in ("evil.php", "evil.phtml"):
            with open(os.path.join(self.content, "wp-content/uploads", name), "w") as f:
                f.write("<?php echo 'ran', 6*7;")
            got = web.get(HTTP + "/wp-content/uploads/" + name)
            self.assertEqual(got.status, 404)

    def test_reload_and_restart_under_load(self):
        with upstreams.Load(self.row, 2) as load:
            for order in (("reload", "nginx@blog", "phpfpm@nginx-blog"), ("restart", "nginx@blog")):
                done = load.done
                trp.wait_until(lambda: load.done > done + 1, 30, "pages are made")
                self.d.ok(*order)
            done = load.done
            trp.wait_until(lambda: load.done > done + 1, 30, "pages are made")
        self.assertEqual((load.failed[:5], load.cut[:5]), ([], []), "of %d" % load.done)

    def test_expensive_request_costs_one_worker(self):
        """The kernel ends the worker that took all memory; PHP-FPM starts another, and nobody else's request is lost to it."""
        before = self.d.status("phpfpm@nginx-blog")
        self.assertEqual(web.get(HTTP + "/?greedy").status, 502)
        trp.wait_until(lambda: self.d.status("phpfpm@nginx-blog")["oom_kills"] > before["oom_kills"], 10, "it is counted")
        self.assertEqual(web.get(HTTP + "/").status, 200)
        after = self.d.status("phpfpm@nginx-blog")
        self.assertEqual((after["state"], after["pid"], after["restarts"]), ("ready", before["pid"], before["restarts"]))

    def test_php_has_no_client(self):
        """No socket but unix ones, and no route to anywhere."""
        status = self.d.status("phpfpm@nginx-blog")
        self.assertEqual(status["listens"], [])
        main = self.d.main_pid("phpfpm@nginx-blog")
        self.assertEqual(len(trp.read("/proc/%d/net/tcp" % main).splitlines()), 1)


if __name__ == "__main__":
    unittest.main()
