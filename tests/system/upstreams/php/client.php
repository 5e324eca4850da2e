<?php
echo $_SERVER['REMOTE_ADDR'], ' ', $_SERVER['REMOTE_PORT'], "\n";
