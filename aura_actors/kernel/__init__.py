"""The actor kernel: what supervises, carries messages and says what is alive. Knows Trio, knows no resource.

child_spec   what to run and how it is restarted, as data
restart      when a restart is allowed, and after how long (pure)
lifecycle    the states of a child, as a table
supervisor   starts children in order, restarts what its strategy says, stops them in reverse
strategy     who goes with a child that ended (pure); child: one child and its incarnations
actor        what an author writes; cell runs it; ref is what others hold
mailbox      bounded pair of memory channels, control ahead of data
request      a message that carries the type of its reply; envelope carries the reply's slot
monitor      who is told when an actor ends
latest       one value, the newest; bus: facts to bounded subscriptions
watchdog     names the actor that holds the loop too long
pauses       how long garbage collection stopped everything
threads      private thread limiters, by name; permits: counted slots over trio.CapacityLimiter
"""
