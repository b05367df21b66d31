// The page of an audited memory.

function memoryPage() {
  return [];
}
