<?php
readfile('small.txt');
