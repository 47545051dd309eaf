"""The actor kernel: what supervises, carries messages and says what is alive. Knows Trio, knows no resource.

child_spec   what to run and how it is restarted, as data
restart      when a restart is allowed, and after how long (pure)
lifecycle    the states of a child, as a table
supervisor   starts children in order, restarts them one for one, stops them in reverse
actor        what an author writes; cell runs it; ref is what others hold
mailbox      bounded pair of memory channels, control ahead of data
request      a message that carries the type of its reply; envelope carries the reply's slot
latest       one value, the newest; bus: facts to bounded subscriptions
threads      private thread limiters, by name; permits: counted slots over trio.CapacityLimiter
"""
