# Regular expressions, hashes, sorting, modules that are loaded on the way, errors that are caught.
use strict;
use warnings;
$| = 1;
print "ready\n";
<STDIN>;
require POSIX;
require List::Util;
require Data::Dumper;
require Encode;
my %seen;
for my $number (1 .. 4000) {
    my $name = sprintf 'entry-%05d-%s', $number * 7919 % 100003, join '', map { chr 97 + $_ % 26 } 1 .. $number % 17;
    push @{ $seen{ substr $name, 0, 8 } }, { name => $name, parts => [ split /-/, $name ] };
    (my $changed = $name) =~ s/(\d+)-(\w*)/uc($2) . '-' . $1/e;
    eval { die { name => $changed } if $number % 50 == 0; 1 } or $seen{failed}++;
}
my @sorted = sort { @{ ref $seen{$a} ? $seen{$a} : [] } <=> @{ ref $seen{$b} ? $seen{$b} : [] } || $a cmp $b } keys %seen;
my $text = Data::Dumper::Dumper({ map { $_ => $seen{$_} } @sorted[0 .. 50] });
my $bytes = Encode::encode('UTF-16', $text x 3);
my $total = List::Util::sum0(map { length } $text =~ /\w+/g);
my $code = eval 'sub { my $n = shift; $n < 2 ? 1 : __SUB__->($n - 1) + 1 }' || sub { 0 };
print "done\n";
<STDIN>;
