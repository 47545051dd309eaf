"""What actors say to each other: one file per mailbox, owned by the one who receives.

`events` holds facts for everybody, `topics` what the publisher makes of them, `public` how facts are said in
the public JSON. A message holds data only.
"""
