#!/bin/sh
# Runs a test for prove. cmocka 1.1.5 writes a skipped test as "not ok N # SKIP"; TAP wants "ok".
exec 3>&1
status=$({ { "$@"; echo $? >&4; } | sed 's/^not ok \([0-9]* # SKIP\)/ok \1/' >&3; } 4>&1)
exit "$status"
