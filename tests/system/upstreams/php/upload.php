<?php
echo hash_file('sha256', 'php://input'), "\n";
