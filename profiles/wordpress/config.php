<?php
// SPDX-License-Identifier: ISC
// The site's configuration, read by the package's wp-config.php for every request. Nothing secret is in here or in
// the environment: the password and the key come from files that only this service's user can read.

define('DB_NAME', getenv('DATABASE'));
define('DB_USER', getenv('DATABASE'));
define('DB_PASSWORD', file_get_contents('/trp/secrets/db-password'));
define('DB_HOST', 'localhost:' . getenv('DATABASE_SOCKET'));
define('DB_CHARSET', 'utf8mb4');

// The eight keys of WordPress are derived from the one that the supervisor made at the first start.
(function (string $key): void {
	foreach (['AUTH', 'SECURE_AUTH', 'LOGGED_IN', 'NONCE'] as $use) {
		foreach (['_KEY', '_SALT'] as $kind) {
			define($use . $kind, hash_hmac('sha256', $use . $kind, $key));
		}
	}
})(file_get_contents('/trp/secrets/site-key'));

// By HTTP and by HTTPS under each of the site's names: Apache has refused all other names already (421).
if (isset($_SERVER['HTTP_HOST'])) {
	$scheme = empty($_SERVER['HTTPS']) ? 'http' : 'https';
	define('WP_HOME', $scheme . '://' . $_SERVER['HTTP_HOST']);
	define('WP_SITEURL', WP_HOME);
	unset($scheme);
}

// There is no network in here: nothing to update from, and no way for WordPress to call itself.
define('WP_HTTP_BLOCK_EXTERNAL', true);
define('AUTOMATIC_UPDATER_DISABLED', true);
define('ALTERNATE_WP_CRON', true);
// Its questions for updates are answered "not available", or each would be a warning in the log. (WordPress takes
// hooks that are there before it starts.)
$GLOBALS['wp_filter']['pre_http_request'][10][] = [
	'accepted_args' => 3,
	'function' => fn($answer, $args, $url) => parse_url($url, PHP_URL_HOST) !== 'api.wordpress.org' ? $answer : [
		'headers' => [], 'body' => '', 'cookies' => [], 'filename' => null,
		'response' => ['code' => 503, 'message' => 'Service Unavailable'],
	],
];
// Plugins and themes can be uploaded by the administrator; they land in wp-content, owned by this user.
define('FS_METHOD', 'direct');
define('DISALLOW_FILE_EDIT', true);
