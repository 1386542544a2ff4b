<?php
// Arrays, strings, regular expressions, generators, errors.
echo "ready\n";
fgets(STDIN);
$records = [];
for ($i = 0; $i < 5000; $i++) {
    $records[] = ['id' => $i, 'name' => sprintf('record %06d', $i * 7919 % 100003), 'text' => str_repeat('x', $i % 90)];
}
$text = json_encode($records);
$again = json_decode($text, true);
usort($again, fn ($a, $b) => strcmp($a['name'], $b['name']));
$changed = preg_replace_callback('/record (\d+)/', fn ($match) => 'r' . ($match[1] * 3), $text);
for ($i = 0; $i < 300; $i++) {
    preg_match("/entry $i (\\w+)/", $text);
}
function parts(int $depth) {
    if ($depth > 0) {
        yield str_repeat('y', 300000);
        yield from parts($depth - 1);
    }
}
foreach (parts(50) as $part) {
    $length = strlen($part);
}
for ($i = 0; $i < 200; $i++) {
    try {
        new DateTime("no date $i");
    } catch (Exception $error) {
        $length += strlen($error->getMessage());
    }
    $date = (new DateTime('2020-01-01', new DateTimeZone('Europe/Paris')))->modify("+$i days")->format(DATE_ATOM);
}
foreach (glob('/usr/lib/*') as $file) {
    $found[] = realpath($file);
}
$stream = fopen('php://temp', 'w+');
for ($i = 0; $i < 200; $i++) {
    fwrite($stream, $text);
}
rewind($stream);
$digest = hash('sha256', stream_get_contents($stream));
echo "done\n";
fgets(STDIN);
