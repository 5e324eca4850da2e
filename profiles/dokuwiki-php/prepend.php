<?php
// SPDX-License-Identifier: ISC
// Before each of DokuWiki's scripts: its configuration is in the service's state, not in the package's /etc.
define('DOKU_CONF', '/trp/state/conf/');
