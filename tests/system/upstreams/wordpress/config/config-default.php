<?php
// What the package's wp-config.php reads: the site's database, and that it has no network.
define('DB_NAME', 'nginx-blog');
define('DB_USER', 'nginx-blog');
define('DB_PASSWORD', file_get_contents('/trp/secrets/db-password'));
define('DB_HOST', 'localhost:/trp/use/mariadb@nginx-blog/mysqld.sock');
foreach (['AUTH', 'SECURE_AUTH', 'LOGGED_IN', 'NONCE'] as $use) {
	foreach (['_KEY', '_SALT'] as $kind) {
		define($use . $kind, hash_hmac('sha256', $use . $kind, file_get_contents('/trp/secrets/site-key')));
	}
}
if (isset($_SERVER['HTTP_HOST'])) {
	// Debian's nginx gives the name alone (its fastcgi_params says why); the port is the public one, that of the client's socket
	if (!in_array($_SERVER['SERVER_PORT'], ['80', '443'])) {
		$_SERVER['HTTP_HOST'] .= ':' . $_SERVER['SERVER_PORT'];
	}
	define('WP_HOME', (empty($_SERVER['HTTPS']) ? 'http' : 'https') . '://' . $_SERVER['HTTP_HOST']);
	define('WP_SITEURL', WP_HOME);
}
define('WP_HTTP_BLOCK_EXTERNAL', true);
define('AUTOMATIC_UPDATER_DISABLED', true);
define('DISABLE_WP_CRON', true);
define('FS_METHOD', 'direct');
