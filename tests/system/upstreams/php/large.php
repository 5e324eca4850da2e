<?php
header('Content-Type: application/octet-stream');
header('Content-Length: ' . filesize('large.bin'));
readfile('large.bin');
